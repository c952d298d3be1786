"""Results for other tools: responses as JSONL, and figures as lm-eval writes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sgpo_cli
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.summary import ENGINE_FAILED
from sgpo_cli.pipeline.eval_subject import EvalRequest
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.recipe.schema import Benchmark
from sgpo_cli.runs.files import check_writable, read_jsonl, to_json, write_json, write_text


def write_responses(directory: Path, summaries: Sequence[Mapping[str, Any]], target: Path) -> list[Path]:
    """`id, sample, response, truncated` of every sample, and `failed` (why) where there is no response; a file a bench.

    `sgpo eval --bench BENCH --responses FILE` grades such a file, and comes to the same counts.
    """
    names = [summary["bench"] for summary in summaries]
    written = response_files(names, target)
    for bench, path in zip(names, written, strict=True):
        rows = read_jsonl(directory / bench / "samples.jsonl")
        write_text(path, "".join(to_json(_response(row)) + "\n" for row in rows))
    return written


def check_targets(request: EvalRequest, responses: Path | None, results: Path | None) -> None:
    """`UserError` for a file that could not be written when all is measured; what is there is left as it is."""
    if responses is not None:
        names = [load_eval_card(use.card).name for use in request.benchmarks]
        for path in response_files(names, responses):
            if results is not None and path.absolute() == results.absolute():
                raise UserError(f"--save-responses and --export would both write {path}", fix="name two files")
            check_writable(path, "--save-responses")
    if results is not None:
        check_writable(results, "--export")


def response_files(benches: Sequence[str], target: Path) -> list[Path]:
    """TARGET for one bench, its name with the bench's for several."""
    if len(benches) == 1:
        return [target]
    return [target.with_name(f"{target.stem}-{bench}{target.suffix}") for bench in benches]


def _response(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("id", "sample", "response", "truncated")}
    return told | ({"failed": row["detail"]} if row["reason"] == ENGINE_FAILED else {})


def write_lm_eval(request: EvalRequest, summaries: Sequence[Mapping[str, Any]], target: Path) -> None:
    """One JSON document with lm-eval's keys (`results`, `configs`, `n-samples`, ...), filters named `none`.

    A figure that is null is left out; what lm-eval has no key for is under `sgpo`.
    """
    uses = [(use, load_eval_card(use.card)) for use in request.benchmarks]
    by_name = {card.name: (use, card) for use, card in uses}
    document: dict[str, Any] = {
        "results": {}, "configs": {}, "versions": {}, "n-shot": {}, "higher_is_better": {}, "n-samples": {}, "sgpo": {},
    }  # fmt: skip
    for summary in summaries:
        name = summary["bench"]
        use, card = by_name[name]
        metric = "pass_at_1" if card.grade.kind == "code" else "exact_match"
        figures = {f"{metric},none": summary["avg_at_k"], f"{metric}_stderr,none": summary["stderr"]}
        figures |= {f"pass@{k},none": value for k, value in summary["pass_at_k"].items()}
        figures["maj@k,none"] = summary["maj_at_k"]
        document["results"][name] = {"alias": name} | {
            key: value for key, value in figures.items() if value is not None
        }
        document["configs"][name] = {
            "task": name,
            **_source(use, card),
            "doc_to_text": card.prompt,
            "output_type": "generate_until",
            "repeats": summary["k"],
            "num_fewshot": 0,
            "generation_kwargs": summary["sampling"] or {},
        }
        document["versions"][name] = sgpo_cli.__version__
        document["n-shot"][name] = 0
        document["higher_is_better"][name] = {metric: True}
        answered = summary["n_problems"] - summary["missing"]
        document["n-samples"][name] = {"original": summary["n_problems"], "effective": answered}
        kept = ("ci95", "accounted", "truncated", "ungraded", "outcomes", "reasons", "seconds")
        document["sgpo"][name] = {key: summary[key] for key in kept}
    first = summaries[0]
    document["config"] = {
        "model": first["engine"] or "responses made elsewhere",
        "model_args": f"pretrained={first['model']}" if first["model"] else str(request.responses),
        "random_seed": request.seed,
    }
    document |= {"date": time.time(), "sgpo_version": sgpo_cli.__version__}
    write_json(target, document)


def _source(use: Benchmark, card: EvalCard) -> dict[str, str | None]:
    """Where the problems were read; a local file and a built-in task have no configuration and no split."""
    if use.file is None and card.hub is not None:
        return {"dataset_path": card.hub, "dataset_name": card.config, "test_split": card.split}
    return {"dataset_path": use.file or card.file or card.task, "dataset_name": None, "test_split": None}
