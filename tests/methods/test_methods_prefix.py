"""Prefix scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.prefix import steps_score, tokens_score


def test_by_hand() -> None:
    assert steps_score(3, 10) == 0.3
    assert steps_score(0, 10) == 0.0
    assert steps_score(-1, 10) == 1.0
    assert steps_score(-1, 0) == 0.0
    assert tokens_score(2, [5, 10, 5]) == 0.75
    assert tokens_score(-1, [5, 10, 5]) == 1.0
    assert tokens_score(-1, []) == 0.0


@pytest.mark.parametrize("first_error", [-2, 4, 5])
def test_an_index_outside_the_steps_is_a_bug(first_error: int) -> None:
    with pytest.raises(ValueError, match="of 4 steps"):
        steps_score(first_error, 4)
    with pytest.raises(ValueError, match="of 4 steps"):
        tokens_score(first_error, [1, 1, 1, 1])


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12), st.data())
def test_both_units_rise_with_the_first_error_and_stay_below_one(steps: list[int], data: st.DataObject) -> None:
    late = data.draw(st.integers(1, len(steps) - 1))
    early = data.draw(st.integers(0, late - 1))
    assert 0 <= steps_score(early, len(steps)) < steps_score(late, len(steps)) < 1
    assert 0 <= tokens_score(early, steps) < tokens_score(late, steps) < 1


@given(st.integers(1, 20), st.integers(1, 20))
def test_equal_steps_make_the_units_agree(num_steps: int, size: int) -> None:
    for first_error in range(-1, num_steps):
        assert tokens_score(first_error, [size] * num_steps) == pytest.approx(steps_score(first_error, num_steps))
