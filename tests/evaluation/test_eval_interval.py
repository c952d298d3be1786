"""The interval: known quantiles, the ends, more samples, and its coverage by simulation."""

from __future__ import annotations

import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.evaluation.metrics import avg_at_k, interval95, student_t, wilson


@pytest.mark.parametrize(
    ("df", "quantile"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (5, 2.57058), (29, 2.04523),
     (30, 2.04227), (200, 1.97190), (201, 1.97184), (1318, 1.96177)],
)  # fmt: skip
def test_student_quantiles_of_the_tables(df, quantile):
    assert student_t(df) == pytest.approx(quantile, abs=1e-4)


def test_wilson_by_hand():
    low, high = wilson(0.0, 30, 1.96)
    assert (low, high) == pytest.approx((0.0, 3.8416 / 33.8416))


@pytest.mark.parametrize("k", [1, 4, 64])
def test_none_and_all_right_are_no_certainty(k):
    low, high = interval95([[0] * k] * 30)
    assert low == 0.0 and 0.10 < high < 0.13
    low, high = interval95([[1] * k] * 30)
    assert high == 1.0 and 0.87 < low < 0.90


def test_samples_of_one_problem_say_nothing_about_others():
    assert interval95([[1, 0, 1, 1]]) == (0.0, 1.0)
    assert interval95([]) is None


def test_copies_of_samples_do_not_narrow_it_and_independent_ones_do():
    once = interval95([[1]] * 15 + [[0]] * 15)
    copied = interval95([[1] * 16] * 15 + [[0] * 16] * 15)
    assert copied == pytest.approx(once)
    mixed = interval95([[1, 0] * 8] * 30)
    assert mixed[1] - mixed[0] < 0.55 * (once[1] - once[0])


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=1, max_size=40))
def test_it_holds_the_mean_and_stays_inside_01(outcomes):
    low, high = interval95(outcomes)
    assert 0 <= low <= avg_at_k(outcomes) <= high <= 1 and low < high


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=2, max_size=30))
def test_it_is_symmetric_in_right_and_wrong(outcomes):
    low, high = interval95(outcomes)
    turned = interval95([[1 - one for one in problem] for problem in outcomes])
    assert turned == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5, 0.95])
@pytest.mark.parametrize("problems", [30, 100, 500])
def test_coverage_of_single_samples_exactly(problems, mean):
    """Summed over the binomial distribution. Nominal 95%; a score interval is a little below at some counts."""
    covered = 0.0
    for right in range(problems + 1):
        share = comb(problems, right) * mean**right * (1 - mean) ** (problems - right)
        if share > 1e-9:
            low, high = interval95([[1]] * right + [[0]] * (problems - right))
            assert high > low
            covered += share * (low <= mean <= high)
    assert covered >= 0.93


@pytest.mark.parametrize("spread", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5, 0.95])
@pytest.mark.parametrize(("problems", "k", "runs"), [(30, 16, 400), (100, 16, 200), (30, 2, 400)])
def test_coverage_of_several_samples(problems, k, runs, mean, spread):
    """Beta-binomial problems: `spread` is the correlation of two samples of one problem. The bound leaves room for
    the simulation's own error; benchmarks/eval_intervals.py has more runs and 500 problems."""
    rng = random.Random(f"{problems} {k} {mean} {spread}")
    a, b = mean * (1 - spread) / spread, (1 - mean) * (1 - spread) / spread
    outcomes = [[1] * right + [0] * (k - right) for right in range(k + 1)]
    held = 0
    for _ in range(runs):
        counts = [sum(rng.random() < rate for _ in range(k)) for rate in _rates(rng, a, b, problems)]
        low, high = interval95([outcomes[right] for right in counts])
        assert high > low
        held += low <= mean <= high
    assert held / runs >= 0.93 - 2.5 * (0.95 * 0.05 / runs) ** 0.5


def _rates(rng, a, b, problems):
    return [rng.betavariate(a, b) for _ in range(problems)]
