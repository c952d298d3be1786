"""ProcessBench's figures against hand-worked numbers."""

from __future__ import annotations

import json

import pytest

from sgpo_cli.judging.measure import agreement, processbench, wilson
from sgpo_cli.judging.verdict import Verdict


def found(first_error: int) -> Verdict:
    return Verdict.found(first_error, num_steps=5, judge="j")


ABSTAINED = Verdict.abstain("why", num_steps=5, judge="j")


def test_by_hand() -> None:
    pairs = [(found(2), 2), (found(1), 2), (found(-1), 2), (ABSTAINED, 0), (found(-1), -1), (found(0), -1)]
    measures = processbench(pairs)
    assert measures.acc_error == 0.25  # 1 of 4
    assert measures.acc_correct == 0.5  # 1 of 2
    assert measures.f1 == pytest.approx(2 * 0.25 * 0.5 / 0.75)
    assert measures.abstained == pytest.approx(1 / 6)
    assert (measures.n_error, measures.n_correct) == (4, 2)
    assert not measures.reasons
    json.dumps(measures.to_json(), allow_nan=False)


def test_unchecked_is_apart_from_abstained() -> None:
    """Neither hides in the other: of 4 rows one has no verdict, two have one with nothing behind it."""
    blind = Verdict.found(-1, num_steps=5, checked=0, judge="j")
    measures = processbench([(ABSTAINED, -1), (blind, -1), (blind, 2), (found(1), 1)])
    assert (measures.abstained, measures.unchecked) == (0.25, 0.5)
    assert processbench([]).unchecked is None and "unchecked" in processbench([]).reasons


def test_an_abstention_is_a_miss_on_correct_rows() -> None:
    assert processbench([(ABSTAINED, -1)]).acc_correct == 0.0


def test_missing_classes_have_reasons() -> None:
    measures = processbench([(found(-1), -1)])
    assert measures.acc_error is None and measures.f1 is None and measures.f1_ci95 is None
    assert set(measures.reasons) == {"acc_error", "f1"}
    assert processbench([]).abstained is None


def test_both_zero_is_zero_and_not_a_division() -> None:
    assert processbench([(found(-1), 0), (found(0), -1)]).f1 == 0.0


def test_wilson_against_a_table() -> None:
    low, high = wilson(0, 30)
    assert low == 0.0 and high == pytest.approx(0.1135, abs=1e-3)
    low, high = wilson(5, 10)
    assert (low, high) == (pytest.approx(0.2366, abs=1e-3), pytest.approx(0.7634, abs=1e-3))
    assert wilson(30, 30)[1] == 1.0


def test_the_interval_of_f1_is_seeded_and_holds_the_estimate() -> None:
    pairs = [(found(2 if i % 3 else 1), 2) for i in range(90)] + [(found(-1 if i % 4 else 0), -1) for i in range(80)]
    one, two = processbench(pairs), processbench(pairs)
    assert one.f1_ci95 == two.f1_ci95
    assert one.f1_ci95 is not None and one.f1 is not None
    low, high = one.f1_ci95
    assert low < one.f1 < high and 0.06 < high - low < 0.25


@pytest.mark.parametrize(("n_error", "n_correct", "lowest"), [(7, 1017, 0.8), (1, 1, 0.1)])
def test_all_right_leaves_room_below_one(n_error: int, n_correct: int, lowest: float) -> None:
    measures = processbench([(found(2), 2)] * n_error + [(found(-1), -1)] * n_correct)
    assert measures.f1 == 1.0 and measures.f1_ci95 is not None
    low, high = measures.f1_ci95
    assert lowest < low < 0.99 and high == 1.0


def test_no_hit_leaves_room_above_zero() -> None:
    measures = processbench([(found(-1), 2)] * 7 + [(found(-1), -1)] * 1017)
    assert measures.f1 == 0.0 and measures.f1_ci95 is not None
    low, high = measures.f1_ci95
    assert low == 0.0 and 0.1 < high < 0.6


def test_the_interval_of_f1_against_the_closed_form() -> None:
    """With acc_correct all but certain, F1 is 2a/(1+a): the Jeffreys interval of 30 of 60 is [.376, .624]."""
    measures = processbench([(found(2 if i % 2 else 1), 2) for i in range(60)] + [(found(-1), -1)] * 100_000)
    assert measures.f1_ci95 is not None
    assert measures.f1_ci95 == pytest.approx((2 * 0.3757 / 1.3757, 2 * 0.6243 / 1.6243), abs=0.01)


def test_agreement_by_hand() -> None:
    first = [found(2), found(-1), found(0), ABSTAINED, found(3)]
    second = [found(2), found(4), found(0), found(1), Verdict.found(-1, num_steps=5, checked=0, judge="j")]
    told = agreement(first, second, other="second")
    assert (told.n, told.same) == (3, pytest.approx(2 / 3))  # 2 and 0 alike; two rows have no verdict of both
    assert told.same_ci95 == wilson(2, 3)
    xs, ys = (0.4, 1.0, 0.0), (0.4, 0.8, 0.0)
    mx, my = sum(xs) / 3, sum(ys) / 3
    cov = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    norm = (sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys)) ** 0.5
    assert told.correlation == pytest.approx(cov / norm)
    assert agreement([ABSTAINED], [found(1)], other="x").same is None
    assert agreement([found(1), found(1)], [found(1), found(2)], other="x").correlation is None
