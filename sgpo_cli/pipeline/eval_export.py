"""Results for other tools: responses as JSONL, and figures as lm-eval writes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sgpo_cli
from sgpo_cli.pipeline.eval_subject import EvalRequest
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.runs.files import read_jsonl, to_json, write_json, write_text


def write_responses(directory: Path, summaries: Sequence[Mapping[str, Any]], target: Path) -> list[Path]:
    """`id, sample, response` of every sample, a file a bench: TARGET for one, its name with the bench's for several.

    `sgpo eval --bench BENCH --responses FILE` grades such a file.
    """
    written = []
    for summary in summaries:
        bench = summary["bench"]
        path = target if len(summaries) == 1 else target.with_name(f"{target.stem}-{bench}{target.suffix}")
        rows = read_jsonl(directory / bench / "samples.jsonl")
        write_text(
            path, "".join(to_json({name: row[name] for name in ("id", "sample", "response")}) + "\n" for row in rows)
        )
        written.append(path)
    return written


def write_lm_eval(request: EvalRequest, summaries: Sequence[Mapping[str, Any]], target: Path) -> None:
    """One JSON document with lm-eval's keys (`results`, `configs`, `n-samples`, ...), filters named `none`.

    A figure that is null is left out; what lm-eval has no key for is under `sgpo`.
    """
    cards = {use.card: load_eval_card(use.card) for use in request.benchmarks}
    by_name = {card.name: card for card in cards.values()}
    document: dict[str, Any] = {
        "results": {}, "configs": {}, "versions": {}, "n-shot": {}, "higher_is_better": {}, "n-samples": {}, "sgpo": {},
    }  # fmt: skip
    for summary in summaries:
        name = summary["bench"]
        card = by_name[name]
        metric = "pass_at_1" if card.grade.kind == "code" else "exact_match"
        figures = {f"{metric},none": summary["avg_at_k"], f"{metric}_stderr,none": summary["stderr"]}
        figures |= {f"pass@{k},none": value for k, value in summary["pass_at_k"].items()}
        figures["maj@k,none"] = summary["maj_at_k"]
        document["results"][name] = {"alias": name} | {
            key: value for key, value in figures.items() if value is not None
        }
        document["configs"][name] = {
            "task": name,
            "dataset_path": card.hub or card.file or card.task,
            "dataset_name": card.config,
            "test_split": card.split,
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
