"""G2RPO-A's rule: hand-worked trajectories of both presets, the options, and what holds for any signals."""

from __future__ import annotations

from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.guidance.rounding import floor_units, half_up
from sgpo_cli.methods.guidance.signal import Signal
from tests.methods.guided import lengths, rate, schedule

# Worked by hand. r: the step's signal; a: the mean it is compared with (None: nothing before); l: the length after it.
PAPER = [  # l0 = 6, every step: l * a / r with a over the last two signals before r
    # r        a         l
    (F(1, 4), None, F(6)),  # the first step
    (F(1, 2), F(1, 4), F(3)),  # one signal before: m = min(2, 1). 6 * 1/2
    (F(1, 2), F(3, 8), F(9, 4)),  # 3 * (3/8)/(1/2) = 3 * 3/4
    (F(1, 2), F(1, 2), F(9, 4)),  # repeats
    (F(1, 4), F(1, 2), F(9, 2)),  # falls: twice as long
    (F(0), F(3, 8), F(9, 2)),  # zero: unchanged
    (F(1, 4), F(1, 8), F(9, 4)),  # a over (1/4, 0): the zero is a signal like others
    (F(0), F(1, 8), F(9, 4)),  # zero
    (F(0), F(1, 8), F(9, 4)),  # zero again
    (F(1, 8), F(0), F(9, 4)),  # a over (0, 0): unchanged
    (F(1, 8), F(1, 16), F(9, 8)),  # a over (0, 1/8): 9/4 * 1/2
    (F(1, 8), F(1, 8), F(9, 8)),  # repeats
    (F(3, 8), F(1, 8), F(3, 8)),  # rises: 9/8 * 1/3
    (F(1, 16), F(1, 4), F(3, 2)),  # falls: a over (1/8, 3/8) is 1/4; 3/8 * 4
]
RELEASED = [  # l0 = 6, max 12; two steps collect, the third compares, clips to [1, 12] and rounds down
    (F(1, 4), None, 6),
    (F(1, 4), None, 6),
    (F(1, 2), F(1, 4), 3),  # rises: 6 * 1/2
    (F(1, 2), None, 3),
    (F(1, 4), None, 3),
    (F(1, 4), F(3, 8), 4),  # falls: 3 * 3/2 = 4.5
    (F(1, 2), None, 4),
    (F(1, 2), None, 4),
    (F(0), F(1, 2), 4),  # r = 0: frozen
    (F(0), None, 4),
    (F(0), None, 4),
    (F(1, 2), F(0), 4),  # a = 0: frozen
    (F(3, 4), None, 4),
    (F(3, 4), None, 4),
    (F(1, 8), F(3, 4), 12),  # 4 * 6 = 24, clipped
    (F(1, 8), None, 12),
    (F(1, 8), None, 12),
    (F(1, 8), F(1, 8), 12),  # repeats
    (F(1, 8), None, 12),
    (F(1, 8), None, 12),
    (F(1), F(1, 8), 1),  # 12 / 8 = 1.5
    (F(1, 2), None, 1),
    (F(1, 2), None, 1),
    (F(3, 8), F(1, 2), 1),  # 1 * 4/3, rounded down: 1 is where this rule stays
    (F(1, 8), None, 1),
    (F(1, 8), None, 1),
    (F(1), F(1, 8), 1),  # 1/8, clipped
]


@pytest.mark.parametrize(("preset", "most", "table"), [("paper", 100, PAPER), ("released_code", 12, RELEASED)])
def test_hand_worked_trajectories(preset: str, most: int, table: list[tuple[F, F | None, F]]) -> None:
    made = schedule("adaptive", preset=preset, max_length=most)
    found = lengths(made, [rate(float(r), k + 1) for k, (r, _, _) in enumerate(table)])
    assert found == pytest.approx([float(length) for _, _, length in table], abs=1e-12)
    assert len(table) >= 12


@pytest.mark.parametrize("preset", ["paper", "released_code"])
def test_the_tables_means_are_those_of_their_signals(preset: str) -> None:
    table = PAPER if preset == "paper" else RELEASED
    for k, (_, mean, _) in enumerate(table):
        if mean is not None:
            before = [r for r, _, _ in table[max(0, k - 2) : k]]
            assert mean == sum(before, F(0)) / len(before)


def test_the_ratio_is_not_inverted() -> None:
    """One circulating transcription lengthens when rewards rise."""
    for preset in ("paper", "released_code"):
        made = schedule("adaptive", preset=preset, max_length=100)
        assert lengths(made, [rate(0.2), rate(0.2), rate(0.4)])[-1] < 6
        assert lengths(made, [rate(0.4), rate(0.4), rate(0.2)])[-1] > 6


def test_the_signal_is_the_one_that_is_named() -> None:
    signals = [Signal(1, 0.5, 0.25, 1.0), Signal(2, 0.5, 0.5, 0.5)]
    assert lengths(schedule("adaptive", signal="all", max_length=20), signals)[-1] == 6.0
    assert lengths(schedule("adaptive", signal="unguided", max_length=20), signals)[-1] == 3.0


def test_a_step_without_a_signal_is_no_zero() -> None:
    made = schedule("adaptive", max_length=20)
    without = lengths(made, [rate(0.25), rate(0.5)])
    assert lengths(made, [rate(0.25), rate(None), rate(0.5)]) == [without[0], without[0], without[1]]
    cycle = schedule("adaptive", preset="released_code", max_length=20)
    assert lengths(cycle, [rate(0.25), rate(None), rate(0.25), rate(0.5)])[-1] == 3.0


@pytest.mark.parametrize(
    ("settings", "signals", "last"),
    [
        ({"window": 1}, [0.25, 0.5, 0.25], 6.0),  # 6 * 1/2, then * 2
        ({"window": 3}, [0.25, 0.25, 0.25, 0.5], 3.0),
        ({"preset": "released_code", "window": 1}, [0.5, 0.25], 12.0),  # a cycle of two
        ({"min_length": 2}, [0.1, 1.0], 2.0),
        ({"preset": "released_code", "min_length": 3}, [0.25, 0.25, 1.0], 3.0),
        ({"preset": "released_code", "rounding": "none"}, [0.5, 0.25, 0.25], 9.0),
        ({"preset": "released_code", "rounding": "none", "length": 3}, [0.5, 0.25, 0.25], 4.5),
        ({"preset": "released_code", "rounding": "half_up", "length": 3}, [0.5, 0.25, 0.25], 5.0),
        ({"rounding": "floor", "length": 3}, [0.375, 0.25], 4.0),
        ({"ratio_clip": 1.5}, [0.1, 0.8], 4.0),
        ({"ratio_clip": 1.5}, [0.8, 0.1], 9.0),
        ({"ema": 0.5}, [0.5, 0.0], 12.0),  # smoothed: .5, .25
        ({"preset": "released_code", "length": 1, "min_step": 1}, [0.5, 0.5, 0.375], 2.0),  # 4/3: out of length 1
        ({"preset": "released_code", "length": 1, "min_step": 1}, [0.5, 0.5, 0.5], 1.0),  # no change asked: none made
        ({"min_step": 2}, [0.5, 0.625], 4.0),  # 6 * 4/5 = 4.8 would be a smaller step
    ],
)  # fmt: skip
def test_options_are_honoured_in_both_presets(settings: dict[str, Any], signals: list[float], last: float) -> None:
    made = schedule("adaptive", **{"max_length": 20, **settings})
    assert lengths(made, [rate(value) for value in signals])[-1] == pytest.approx(last)


rates = st.floats(0, 1)


@given(st.sampled_from(["paper", "released_code"]), st.lists(rates, max_size=40), st.integers(1, 9))
def test_bounds_hold_whatever_comes(preset: str, values: list[float], start: int) -> None:
    made = schedule("adaptive", preset=preset, length=start, max_length=9)
    for length in lengths(made, [rate(value) for value in values]):
        assert (1 if preset == "released_code" else 0) <= length <= 9
        assert preset == "paper" or length == int(length)


@given(st.sampled_from(["paper", "released_code"]), st.tuples(rates, rates), rates, rates)
def test_a_higher_signal_never_gives_a_longer_guidance(
    preset: str, before: tuple[float, float], one: float, other: float
) -> None:
    made = schedule("adaptive", preset=preset, max_length=50)
    low, high = sorted((one, other))
    if low > 0:
        first = [rate(value) for value in before]
        assert lengths(made, [*first, rate(low)])[-1] >= lengths(made, [*first, rate(high)])[-1]


@given(st.sampled_from(["paper", "released_code"]), rates, st.integers(1, 30))
def test_a_constant_signal_changes_nothing(preset: str, value: float, steps: int) -> None:
    made = schedule("adaptive", preset=preset, max_length=50)
    assert set(lengths(made, [rate(value)] * steps)) == {6.0}


def test_rounding() -> None:
    assert [half_up(x) for x in (0.0, 0.49, 0.5, 1.5, 2.5, 8.999)] == [0, 0, 1, 2, 3, 9]
    assert 2 * (0.15 / 0.05) < 6 and floor_units(2 * (0.15 / 0.05)) == 6
    assert floor_units(2.999) == 2 and floor_units(3072 * (0.3 / 0.1) / 3) == 3072
