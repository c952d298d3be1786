"""The graded reward of wrong answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.rewards import Shape, graded_reward, linear, logistic

scores = st.floats(0, 1)


def test_by_hand() -> None:
    assert logistic(0.5, beta=5, gamma=0.5) == 0.5
    assert logistic(1.0, beta=5, gamma=0.5) == pytest.approx(0.92414, abs=1e-5)
    assert logistic(0.0, beta=5, gamma=0.5) == pytest.approx(0.07586, abs=1e-5)
    assert linear(0.3, wrong_max=0.9) == pytest.approx(0.27)


def test_the_sign_is_not_the_circulating_copys() -> None:
    """1/(1 + exp(+beta(s - gamma))) would pay the earlier error more."""
    assert logistic(0.9, beta=5, gamma=0.5) > 0.5 > logistic(0.1, beta=5, gamma=0.5)


@given(scores, scores, st.sampled_from(["logistic", "linear"]), st.floats(0.1, 30), st.floats(0, 1))
def test_increasing_and_below_one(a: float, b: float, shape: Shape, beta: float, gamma: float) -> None:
    low, high = sorted((a, b))
    paid = [graded_reward(s, shape=shape, beta=beta, gamma=gamma, wrong_max=0.99) for s in (low, high)]
    assert 0 <= paid[0] <= paid[1] < 1
    if high - low > 1e-3 and beta * max(abs(high - gamma), abs(low - gamma)) < 15:
        assert paid[0] < paid[1]


@given(scores, st.floats(1e-3, 1e6), st.floats(0, 1))
def test_no_overflow_and_never_a_right_answers_reward(score: float, beta: float, gamma: float) -> None:
    reward = logistic(score, beta=beta, gamma=gamma)
    assert math.isfinite(reward)
    assert 0 <= reward < 1


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_a_score_outside_its_range_is_a_bug(score: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        graded_reward(score, shape="linear", beta=5, gamma=0.5, wrong_max=0.9)
