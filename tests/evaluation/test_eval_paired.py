"""The paired comparison: McNemar's numbers by hand, symmetry, false alarms by simulation, never of zero width."""

from __future__ import annotations

import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.evaluation.paired import compare_paired, means_of, paired_interval, sign_flip_p

shares = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=25)


def means(values):
    return {f"p{i}": Fraction(value) for i, value in enumerate(values)}


def test_one_sample_a_problem_is_mcnemars_exact_test():
    one, other = [1] * 9 + [0] * 2 + [1] * 10, [0] * 9 + [1] * 2 + [1] * 10
    p, test = sign_flip_p([Fraction(a - b) for a, b in zip(one, other, strict=True)])
    by_hand = 2 * sum(comb(11, wrong) for wrong in range(3)) / 2**11
    assert p == pytest.approx(by_hand) and test == "exact sign flips"


def test_bonett_and_price_by_hand():
    differences = [1.0] * 9 + [-1.0] * 2 + [0.0] * 29
    low, high = paired_interval(differences)
    n, centre = 42, 7 / 42
    half = 2.0227 * ((((10 + 3) / n) - centre**2) / n) ** 0.5  # t with 39 degrees of freedom
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-4)


def test_equal_models_are_not_distinguishable_and_the_interval_has_a_width():
    found = compare_paired(means([1, 0, 1]), means([1, 0, 1]))
    assert found.p == 1.0 and found.distinguishable is False
    assert found.ci95[0] < 0 < found.ci95[1]


def test_a_clear_difference_is_told():
    found = compare_paired(means([1] * 40), means([0] * 20 + [1] * 20))
    assert found.difference == 0.5 and found.distinguishable and found.ci95[0] > 0.3


def test_only_shared_problems_count_and_the_others_are_counted():
    found = compare_paired(means([1, 1, 1]), {"p1": Fraction(0), "p2": Fraction(1), "q": Fraction(1)})
    assert (found.problems, found.left_out, found.difference) == (2, 2, 0.5)
    alone = compare_paired(means([1]), means([0]))
    assert alone.distinguishable is None and alone.reason


def test_means_leave_out_what_was_not_graded():
    rows = [{"id": "a", "correct": True}, {"id": "a", "correct": None}, {"id": "b", "correct": None}]
    assert means_of(rows) == {"a": Fraction(1)}


@given(shares)
def test_turned_around_it_says_the_opposite(pairs):
    one, other = means(Fraction(a, 4) for a, _ in pairs), means(Fraction(b, 4) for _, b in pairs)
    here, there = compare_paired(one, other), compare_paired(other, one)
    assert here.difference == pytest.approx(-there.difference) and here.p == pytest.approx(there.p)
    assert here.ci95 == pytest.approx((-there.ci95[1], -there.ci95[0])) and here.ci95[0] < here.ci95[1]
    assert here.ci95[0] <= here.difference <= here.ci95[1] and 0 <= here.p <= 1


@pytest.mark.parametrize(("problems", "k"), [(30, 1), (30, 16), (100, 4)])
def test_equal_models_are_told_apart_in_at_most_one_case_in_twenty(problems, k):
    rng = random.Random(f"{problems} {k}")
    alarms, held, runs = 0, 0, 300
    for _ in range(runs):
        rates = [rng.betavariate(0.5, 0.8) for _ in range(problems)]
        one, other = (
            means(Fraction(sum(rng.random() < rate for _ in range(k)), k) for rate in rates) for _ in range(2)
        )
        found = compare_paired(one, other)
        alarms += found.distinguishable
        held += found.ci95[0] <= 0 <= found.ci95[1]
    assert alarms / runs <= 0.075 and held / runs >= 0.925
