"""Real data: published labels and reference solutions."""

from __future__ import annotations

import json

import pytest

from sgpo_cli.evaluation.bench import load_bench
from sgpo_cli.evaluation.responses import score_responses
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.pool import Grader


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_gsm8k_model_solutions_agree_with_the_published_labels(shared_data, tmp_path):
    bench = load_bench(load_eval_card("gsm8k"), file=shared_data / "eval_gsm8k_test.jsonl")
    responses = shared_data / "aux_gsm8k_model_solutions.jsonl"
    with Grader() as grader:
        summary = score_responses(
            bench, responses, tmp_path, field="solution", grader=grader, on_progress=lambda *_: None
        )
    rows, labels = read(tmp_path / "samples.jsonl"), [row["is_correct"] for row in read(responses)]
    assert len(rows) == len(labels) == 1200
    assert sum(row["correct"] == label for row, label in zip(rows, labels, strict=True)) == 1200
    assert summary["n_problems"] == 1319
    assert summary["missing"] == 1319 - len({row["id"] for row in rows})


@pytest.mark.parametrize("name", ["eval_aime_2024", "eval_math500", "eval_gsm8k_test"])
def test_reference_solutions_are_right_both_ways_round(shared_data, name):
    rows = read(shared_data / f"{name}.jsonl")
    items = [GradeItem(row["solution"], row["answer"]) for row in rows]
    items += [GradeItem(f"\\boxed{{{row['answer']}}}", row["solution"]) for row in rows]
    with Grader() as grader:
        assert {grade.outcome for grade in grader.grade_many(items)} == {1}
