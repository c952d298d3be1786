"""The golden table: what is right, wrong and ungraded, pinned case by case; the pool and `grade` agree on all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgpo_cli.verify.grade import grade
from sgpo_cli.verify.outcome import GradeItem, decided
from sgpo_cli.verify.pool import Grader
from sgpo_cli.verify.surface import canonical

CASES = [json.loads(line) for line in (Path(__file__).parent / "golden.jsonl").read_text().splitlines()]


def item(case: dict) -> GradeItem:
    return GradeItem(
        case["response"],
        case["gold"],
        case.get("kind", "math"),
        tuple(case.get("aliases", ())),
        case.get("marker", "#"),
        case.get("several", False),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['gold']} | {case['response'][-40:]}")
def test_case(case):
    made = grade(item(case))
    assert made.outcome == case["outcome"], (case["why"], made)
    assert made == decided(made.reason, made.extracted)
    if "reason" in case:
        assert made.reason == case["reason"]


def test_the_pool_gives_the_same_grades_in_order():
    items = [item(case) for case in CASES]
    with Grader() as grader:
        assert grader.grade_many(items) == [grade(one) for one in items]


def test_the_table_is_large_and_has_both_sides():
    outcomes = [case["outcome"] for case in CASES]
    assert len(CASES) >= 220
    assert outcomes.count(1) >= 100 and outcomes.count(0) >= 70
    assert len({json.dumps([c["gold"], c["response"]]) for c in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["response"][-40:])
def test_canonical_is_idempotent(case):
    once = canonical(case["response"])
    assert canonical(once) == once
