"""Places and prefixes: the same number in every group, never into what is held back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.guidance.allocate import guided_count, guided_mask, is_guided
from sgpo_cli.methods.guidance.cut import Cut, cut
from sgpo_cli.methods.guidance.signal import GroupSeen, Signal, summarise


@pytest.mark.parametrize(
    ("fraction", "size", "count"),
    [
        (0.25, 8, 2), (0.25, 2, 1), (0.25, 6, 2), (0.25, 10, 3), (0.2, 2, 0), (0.0, 8, 0), (1.0, 8, 8), (0.5, 3, 2),
        (0.29, 50, 15), (0.145, 100, 15), (0.35, 10, 4), (0.15, 10, 2), (1e-9, 16, 0),
    ],
)  # fmt: skip
def test_guided_counts_round_half_up(fraction: float, size: int, count: int) -> None:
    assert guided_count(fraction, size) == count


@pytest.mark.parametrize("size", range(2, 17))
def test_every_group_has_the_same_places(size: int) -> None:
    for percent in range(101):
        fraction = percent / 100
        mask = guided_mask(fraction, size)
        count = (2 * percent * size + 100) // 200  # half up, in whole numbers
        assert mask == (True,) * count + (False,) * (size - count)
        batch = [is_guided(row, fraction, size) for row in range(12 * size)]
        assert batch == list(mask) * 12
        halves = batch[: 6 * size], batch[6 * size :]  # two processes
        assert sum(halves[0]) == sum(halves[1]) == 6 * count


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_is_a_share(fraction: float) -> None:
    with pytest.raises(ValueError):
        guided_count(fraction, 8)


@pytest.mark.parametrize(
    ("length", "units", "reserve", "room", "expected"),
    [
        (6, 11, 2, None, Cut(6, 6, None)),
        (5.5, 11, 2, None, Cut(6, 6, None)),
        (5.49, 11, 2, None, Cut(5, 5, None)),
        (0.4, 11, 2, None, Cut(0, 0, None)),
        (9, 11, 2, None, Cut(9, 9, None)),
        (10, 11, 2, None, Cut(9, 10, "answer")),
        (12, 11, 2, None, Cut(9, 12, "short_trace")),
        (6, 0, 1, None, Cut(0, 6, "no_trace")),
        (0, 0, 1, None, Cut(0, 0, None)),
        (6, 1, 1, None, Cut(0, 6, "answer")),
        (1, 1, 1, None, Cut(0, 1, "answer")),
        (3, 4, 9, None, Cut(0, 3, "answer")),
        (6, 11, 2, 4, Cut(4, 6, "budget")),
        (6, 11, 2, 6, Cut(6, 6, None)),
        (12, 11, 2, 10, Cut(9, 12, "short_trace")),
        (6, 11, 2, 0, Cut(0, 6, "budget")),
    ],
)
def test_cut(length: float, units: int, reserve: int, room: int | None, expected: Cut) -> None:
    assert cut(length, units, reserve=reserve, room=room) == expected


@given(st.floats(0, 1e6), st.integers(0, 5000), st.integers(1, 5000), st.none() | st.integers(0, 5000))
def test_never_the_answer_never_over_the_budget(length: float, units: int, reserve: int, room: int | None) -> None:
    found = cut(length, units, reserve=reserve, room=room)
    assert 0 <= found.units <= max(0, units - reserve)
    assert room is None or found.units <= room
    assert (found.reason is None) == (found.units == found.asked)


# --- the signal -------------------------------------------------------------------------------------------------------


def test_summarise_by_hand() -> None:
    mask = (True, False, False, False)
    signal = summarise(
        7,
        [
            GroupSeen("a", [1, 0, 0, 1], mask),
            GroupSeen("b", [0, 0, 0, 0], mask, [5, 2, None, -1], 9),
            GroupSeen("c", [0, None, 0, 0], mask, [None] * 4),  # the unknown one may be right: not all-negative
            GroupSeen("d", [None] * 4, mask),
        ],
    )
    assert (signal.accuracy, signal.unguided, signal.guided) == (2 / 11, 1 / 8, 1 / 3)
    a, b, c, d = signal.problems
    assert (a.all_negative, a.unguided, a.first_error) == (False, 1 / 3, None)
    assert (b.all_negative, b.unguided, b.first_error, b.trace_steps) == (True, 0.0, 5, 9)
    assert (c.all_negative, c.unguided, c.first_error) == (False, 0.0, None)
    assert (d.all_negative, d.unguided) == (False, None)


def test_no_wrong_step_found_is_no_place_to_reach() -> None:
    [fact] = summarise(1, [GroupSeen("a", [0, 0], (True, False), [-1, -1])]).problems
    assert fact.all_negative and fact.first_error is None


def test_summarise_of_nothing_graded_has_no_means() -> None:
    assert summarise(1, [GroupSeen("a", [None, None], (True, False))]).accuracy is None
    all_guided = summarise(1, [GroupSeen("a", [1, 0], (True, True))])
    assert all_guided.unguided is None and all_guided.guided == 0.5


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_a_signal_is_a_mean_outcome(bad: float) -> None:
    with pytest.raises(ValueError):
        Signal(1, bad, None, None)
    with pytest.raises(ValueError):
        Signal(0, None, None, None)
