"""Verdicts: the prefix score by hand, the invariants, the file contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.judging.verdict import Solution, Verdict


@pytest.mark.parametrize(
    ("first_error", "num_steps", "score"), [(-1, 4, 1.0), (0, 4, 0.0), (3, 4, 0.75), (1, 5, 0.2), (-1, 0, 0.0)]
)
def test_prefix_score(first_error: int, num_steps: int, score: float) -> None:
    assert Verdict.found(first_error, num_steps=num_steps, judge="j").prefix_score == score


def test_abstention_has_no_score() -> None:
    verdict = Verdict.abstain("timeout", num_steps=3, judge="j")
    assert verdict.prefix_score is None
    assert verdict.to_json() == {
        "first_error": None,
        "num_steps": 3,
        "prefix_score": None,
        "checked": 0,
        "abstained": True,
        "reason": "timeout",
        "judge": "j",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"first_error": 4},
        {"first_error": -2},
        {"first_error": None},
        {"abstained": True},
        {"checked": 5},
        {"checked": -1},
        {"num_steps": -1},
        {"first_error": None, "abstained": True, "reason": None},
    ],
)
def test_contradictions_are_refused(fields: dict[str, object]) -> None:
    good = {"first_error": 1, "num_steps": 4, "checked": 2, "abstained": False, "reason": None, "judge": "j"}
    with pytest.raises(ValueError):
        Verdict(**{**good, **fields})  # type: ignore[arg-type]


@given(st.integers(0, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(-1, n - 1), st.integers(0, n))))
def test_json_round_trip(numbers: tuple[int, int, int]) -> None:
    num_steps, first_error, checked = numbers
    verdict = Verdict.found(first_error, num_steps=num_steps, checked=checked, judge="j", reason="r")
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize("change", [{"first_error": True}, {"num_steps": "4"}, {"prefix_score": 0.5}, {"abstained": 0}])
def test_a_bad_row_is_refused(change: dict[str, object]) -> None:
    row = {**Verdict.found(1, num_steps=4, judge="j").to_json(), **change}
    with pytest.raises(ValueError):
        Verdict.from_json(row)


def test_a_solution_has_no_place_for_a_label() -> None:
    with pytest.raises(TypeError):
        Solution(problem="p", steps=("a",), first_error=0)  # type: ignore[call-arg]
