"""summary.json: every sample is accounted for, every null has its reason."""

from __future__ import annotations

import json

from sgpo_cli.evaluation.summary import Origin, Scored, summarise
from sgpo_cli.runs.files import to_json
from sgpo_cli.verify.outcome import decided

CONTRACT = {
    "bench", "n_problems", "missing", "k", "avg_at_k", "pass_at_k", "maj_at_k", "ci95", "truncated", "ungraded",
    "engine", "sampling", "model", "seconds",
}  # fmt: skip


def make(samples, **changes):
    settings = {
        "bench": "b",
        "kind": "math",
        "n_problems": 3,
        "k": 2,
        "origin": Origin("fake", {}, "m"),
        "seconds": 1.0,
    }
    return summarise(samples, **{**settings, **changes})


def sample(problem, number, reason, extracted="5", truncated=False):
    return Scored(problem, number, "text", decided(reason, extracted), truncated)


def test_figures_by_hand():
    made = make(
        [
            sample("a", 0, "match"),
            sample("a", 1, "mismatch", "6"),
            sample("b", 0, "match"),
            sample("b", 1, "timeout", "7", truncated=True),
        ]
    )
    assert set(made) >= CONTRACT
    assert made["missing"] == 1 and made["n_problems"] * 2 == made["samples"] + made["missing"] * 2
    assert made["avg_at_k"] == 0.75  # b's ungraded sample is left out, not 0
    assert made["ungraded"] == 1 and made["truncated"] == 1
    assert made["pass_at_k"] == {"1": 0.75, "2": None}
    assert "fewer than 2" in made["reasons"]["pass_at_k.2"]
    assert made["maj_at_k"] == 0.75  # a is a tie
    assert made["outcomes"] == {"match": 2, "mismatch": 1, "timeout": 1}


def test_nothing_graded_is_null_with_a_reason():
    made = make([sample("a", 0, "timeout")], n_problems=1, k=1)
    assert made["avg_at_k"] is None and made["ci95"] is None and made["maj_at_k"] is None
    assert {"avg_at_k", "ci95", "maj_at_k"} <= set(made["reasons"])
    json.loads(to_json(made))


def test_wrong_answers_that_are_one_number_vote_together():
    rows = [sample("a", 0, "match"), sample("a", 1, "mismatch", "1/2"), sample("a", 2, "mismatch", "0.50")]
    assert make(rows, n_problems=1, k=3)["maj_at_k"] == 0.0


def test_uneven_counts_are_said():
    rows = [sample("a", 0, "match"), sample("a", 1, "match"), sample("b", 0, "match")]
    made = make(rows, n_problems=2)
    assert "1 to 2" in made["reasons"]["k"]


def test_rows_have_the_contracts_fields():
    row = sample("a", 0, "timeout", None).row()
    assert row["correct"] is None and row["reason"] == "timeout"
    assert set(row) >= {"id", "sample", "response", "extracted", "correct", "reason"}
    assert sample("a", 0, "match").row()["correct"] is True
