"""Our grader and sampler beside lm-eval's, on the same texts and prompts. Needs `pip install lm-eval` in an environment
of its own (it is no dependency):

    python benchmarks/lm_eval_agreement.py DATA_DIR MODEL_DIR [--prompts 50]

1. The 1,200 texts of aux_gsm8k_model_solutions.jsonl, whose labels were published with them, graded by ours and by the
   filters and the metric of lm-eval's own gsm8k task; every disagreement is listed.
2. Greedy answers of MODEL_DIR (a run's `final` of task hops) to held-out prompts, by lm-eval's HFLM and by our engine:
   token ids compared, and the seconds of both, in turn, three times; the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.pool import Grader


def task_file() -> dict[str, Any]:
    """lm-eval's gsm8k card, as it ships."""
    spec = find_spec("lm_eval")
    assert spec is not None and spec.origin is not None
    text = (Path(spec.origin).parent / "tasks/gsm8k/gsm8k.yaml").read_text()
    return dict(yaml.safe_load(text))


def by_lm_eval(responses: Sequence[str], golds: Sequence[str]) -> dict[str, list[bool]]:
    """Filter's name -> whether each response is right."""
    from lm_eval.api.metrics import exact_match_fn
    from lm_eval.filters import build_filter_ensemble

    task = task_file()
    [metric] = [one for one in task["metric_list"] if one["metric"] == "exact_match"]
    options = {name: metric[name] for name in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}
    found: dict[str, list[bool]] = {}
    for told in task["filter_list"]:
        steps = [
            (step["function"], {key: value for key, value in step.items() if key != "function"} or None)
            for step in told["filter"]
        ]
        ensemble = build_filter_ensemble(told["name"], steps)
        made: Sequence[Any] = [[response] for response in responses]
        for step in ensemble.filters:
            made = step().apply(made, [{} for _ in made])
        answers = [one if isinstance(one, str) else one[0] for one in made]
        found[told["name"]] = [
            bool(exact_match_fn(predictions=[answer], references=[gold], **options)["exact_match"])
            for answer, gold in zip(answers, golds, strict=True)
        ]
    return found


def agreement(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "aux_gsm8k_model_solutions.jsonl").read_text().splitlines()]
    responses, golds = [row["solution"] for row in rows], [row["answer"] for row in rows]
    with Grader(workers=1) as grader:
        grades = grader.grade_many([GradeItem(one, gold) for one, gold in zip(responses, golds, strict=True)])
    graded = {"ours": [grade.outcome == 1 for grade in grades], **by_lm_eval(responses, [str(g) for g in golds])}
    labels = [bool(row["is_correct"]) for row in rows]
    print(f"| grader | agrees with the published labels, of {len(rows)} | right by it, wrong by label | the reverse |")
    print("|---|---|---|---|")
    for name, verdicts in graded.items():
        pairs = list(zip(verdicts, labels, strict=True))
        print(
            f"| {name} | {sum(a == b for a, b in pairs)} | {sum(a and not b for a, b in pairs)} "
            f"| {sum(b and not a for a, b in pairs)} |"
        )
    for name, verdicts in graded.items():
        if name == "ours":
            continue
        differ = [at for at, (a, b) in enumerate(zip(graded["ours"], verdicts, strict=True)) if a != b]
        bare = sum("####" not in responses[at] for at in differ)
        print(f"\n{name} differs from ours on {len(differ)} ({bare} of them texts without a #### line):")
        for at in differ:
            end = " ".join(responses[at].split())[-60:]
            print(f"- {rows[at]['id']}: gold {golds[at]}, label {labels[at]}, ours {graded['ours'][at]}: ...{end}")


def same_ids(model_dir: Path, count: int) -> None:
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from sgpo_cli.data.hops import problems
    from sgpo_cli.generation.load import load_policy, load_tokenizer
    from sgpo_cli.generation.transformers_engine import TransformersEngine
    from sgpo_cli.recipe.schema import HopsTask

    torch.set_num_threads(1)
    tokenizer, model = load_tokenizer(model_dir), load_policy(model_dir, dtype="float32")
    entities = sum(token.startswith("e") and token[1:].isdigit() for token in tokenizer.get_vocab())
    prompts = [row.problem for row in problems(HopsTask(entities=entities), count, 0, "bench")]
    engine = TransformersEngine(model, tokenizer)
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=count, device="cpu", add_bos_token=True)
    made: list[list[int]] = []
    inner = theirs._model_generate

    def caught(context: Any, **options: Any) -> Any:
        out = inner(context, **options)
        made.extend(row[context.shape[1] :].tolist() for row in out)
        return out

    theirs._model_generate = caught
    options = {"until": [tokenizer.eos_token], "max_gen_toks": 24, "do_sample": False}
    seconds: dict[str, list[float]] = {"ours": [], "lm-eval": []}
    for _ in range(3):
        started = time.monotonic()
        ours = engine.generate(prompts, max_new_tokens=24, temperature=0.0, top_p=1.0, seed=0)
        seconds["ours"].append(time.monotonic() - started)
        made.clear()
        requests = [Instance("generate_until", {}, (prompt, options), at) for at, prompt in enumerate(prompts)]
        started = time.monotonic()
        texts = theirs.generate_until(requests)
        seconds["lm-eval"].append(time.monotonic() - started)
    end = tokenizer.eos_token_id
    cut = {tuple(row[: row.index(end) + 1] if end in row else row) for row in made}
    same = sum(tuple(one.ids) in cut for one in ours)
    same_text = sum(one.text.split() == text.split() for one, text in zip(ours, texts, strict=True))
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"\n{count} greedy prompts: {same} equal token ids, {same_text} equal texts; seconds {seconds}")
    print(f"ratio ours / lm-eval: {medians['ours'] / medians['lm-eval']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompts", type=int, default=50)
    told = parser.parse_args()
    agreement(told.folder)
    same_ids(told.model, told.prompts)


if __name__ == "__main__":
    main()
