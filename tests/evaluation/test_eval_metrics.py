"""avg@k, pass@k and maj@k against numbers worked out by hand and by enumeration."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.evaluation.metrics import avg_at_k, maj_at_k, pass_at_k

outcome_lists = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=1, max_size=6)


def test_avg_is_the_mean_of_problem_means_not_of_samples():
    assert avg_at_k([[1, 1, 1, 0], [0]]) == pytest.approx(0.375)
    assert avg_at_k([]) is None


def test_pass_at_k_by_hand():
    assert pass_at_k([[1, 0, 0, 0]], 2) == pytest.approx(1 - 3 / 6)
    assert pass_at_k([[1, 0, 0, 0], [0, 0, 0, 0]], 4) == pytest.approx(0.5)
    assert pass_at_k([[1, 1, 0]], 2) == 1.0
    assert pass_at_k([[1, 0], [1]], 2) is None
    assert pass_at_k([], 1) is None


@given(outcome_lists)
def test_pass_at_1_is_avg(outcomes):
    assert pass_at_k(outcomes, 1) == pytest.approx(avg_at_k(outcomes))


@given(st.lists(st.integers(0, 1), min_size=1, max_size=7), st.integers(1, 7))
def test_pass_at_k_is_the_mean_over_all_subsets(problem, k):
    if k > len(problem):
        assert pass_at_k([problem], k) is None
        return
    subsets = list(itertools.combinations(problem, k))
    assert pass_at_k([problem], k) == pytest.approx(sum(any(s) for s in subsets) / len(subsets))


def test_majority():
    assert maj_at_k([[("5", 1), ("5", 1), ("6", 0)]]) == 1.0
    assert maj_at_k([[("5", 1), ("6", 0), ("6", 0)]]) == 0.0
    assert maj_at_k([[("1/2", 1), ("0.5", 1), ("6", 0), ("6", 0), (r"\frac12", 1)]]) == 1.0  # one class of right
    assert maj_at_k([[("5", 1), ("6", 0)]]) == 0.5  # a tie, broken at random
    assert maj_at_k([[("5", 1), (None, 0), (None, 0)]]) == 1.0  # no answer, no vote
    assert maj_at_k([[(None, 0)]]) == 0.0
    assert maj_at_k([]) is None
