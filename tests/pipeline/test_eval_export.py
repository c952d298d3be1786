"""Results for other tools: what is written says what happened, and grading it again comes to the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sgpo_cli.evaluation.responses import score_responses
from sgpo_cli.evaluation.run import evaluate
from sgpo_cli.generation.engine import Completion
from sgpo_cli.pipeline.eval_export import write_lm_eval, write_responses
from sgpo_cli.pipeline.eval_subject import EvalRequest
from sgpo_cli.recipe.schema import Benchmark
from sgpo_cli.verify.pool import Grader
from tests.evaluation.benches import sums


class Failing:
    """Right, cut, and refused by turns."""

    name = "fake"

    def generate(self, prompts: list[str], **_: Any) -> list[Completion]:
        made = [Completion("\\boxed{1}", (1,), False), Completion("and", (1,), True), Completion("", (), False, "400")]
        return [made[at % 3] for at in range(len(prompts))]


def test_saved_responses_are_graded_to_the_same_counts(tmp_path: Path) -> None:
    bench = sums(4)
    with Grader() as grader:
        options: dict[str, Any] = {"grader": grader, "on_progress": lambda *_: None}
        drawn = evaluate(bench, Failing(), tmp_path / "out/sums", model="m", seed=0, batch_size=8, **options)  # type: ignore[arg-type]
        (file,) = write_responses(tmp_path / "out", [drawn], tmp_path / "made.jsonl")
        again = score_responses(bench, file, tmp_path / "again", **options)
    same = ("accounted", "truncated", "ungraded", "avg_at_k", "ci95", "pass_at_k", "outcomes", "k", "missing")
    assert {name: again[name] for name in same} == {name: drawn[name] for name in same}
    assert drawn["ungraded"] and drawn["truncated"]
    assert (tmp_path / "again/samples.jsonl").read_text() == (tmp_path / "out/sums/samples.jsonl").read_text()


def test_lm_evals_document_names_the_data_that_was_read(tmp_path: Path) -> None:
    summary = {
        "bench": "aime24", "k": 1, "avg_at_k": 0.5, "stderr": 0.1, "pass_at_k": {}, "maj_at_k": None, "sampling": None,
        "n_problems": 30, "missing": 0, "engine": None, "model": None, "ci95": None, "accounted": {}, "truncated": 0,
        "ungraded": 0, "outcomes": {}, "reasons": {}, "seconds": 1.0,
    }  # fmt: skip

    def source(file: str | None) -> list[str | None]:
        use = Benchmark(card="aime24", file=file)
        asked = EvalRequest([use], 0, None, Path("made.jsonl"), "response", None, Path("out"))
        write_lm_eval(asked, [summary], tmp_path / "results.json")
        config = json.loads((tmp_path / "results.json").read_text())["configs"]["aime24"]
        return [config["dataset_path"], config["dataset_name"], config["test_split"]]

    assert source("mine.jsonl") == ["mine.jsonl", None, None]
    assert source(None) == ["HuggingFaceH4/aime_2024", None, "train"]
