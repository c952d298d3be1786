"""The controller that holds the guided success rate: what it promises, and that it keeps it better than G2RPO-A."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.guidance.rounding import half_up
from sgpo_cli.methods.guidance.signal import Signal
from sgpo_cli.methods.guidance.steady import SteadyState
from tests.methods.guided import lengths, rate, schedule

rates = st.floats(0, 1)
starts = st.floats(0, 9)


def test_hand_worked() -> None:
    # gain * max_length = 2 units at an error of 1; half of the rate is new.
    made = schedule("steady", length=6, max_length=10, target=0.5, band=0.1, gain=0.2, ema=0.5)
    found = lengths(made, [rate(value) for value in (0.5, 0.9, 0.9, 0.0, 0.0, None, 1.0)])
    # rates: .5, .7, .8, .4, .2, -, .6; errors outside the band: 0, -.1, -.2, 0, +.2, -, 0
    assert found == pytest.approx([6.0, 5.8, 5.4, 5.4, 5.8, 5.8, 5.8])


@given(st.lists(rates, max_size=60), st.integers(0, 9))
def test_bounded_lengths_and_bounded_steps(values: list[float], start: int) -> None:
    made = schedule("steady", length=start, max_length=9, target=0.4, gain=0.3)
    found = [float(start), *lengths(made, [rate(value) for value in values])]
    assert all(0.0 <= length <= 9.0 for length in found)
    assert all(abs(b - a) <= 0.3 * 9 * 0.6 + 1e-12 for a, b in pairwise(found))


@given(starts, st.none() | rates, rates, rates)
def test_fewer_successes_never_give_a_shorter_guidance(
    start: float, past: float | None, one: float, other: float
) -> None:
    made = schedule("steady", max_length=9)
    state, (low, high) = SteadyState(start, past), sorted((one, other))
    shorter, longer = made.update(state, rate(high)), made.update(state, rate(low))
    assert shorter.length <= longer.length


@given(starts, st.floats(0.45, 0.55), st.integers(1, 50))
def test_no_drift_within_the_band(start: float, value: float, steps: int) -> None:
    made = schedule("steady", max_length=9, target=0.5, band=0.0501)
    state = SteadyState(start)
    for _ in range(steps):
        state = made.update(state, rate(value))
    assert state.length == start


@given(st.floats(3, 6), st.floats(0, 0.5))
def test_symmetric_around_one_half(start: float, off: float) -> None:
    made = schedule("steady", max_length=9, target=0.5)
    up = made.update(SteadyState(start), rate(0.5 - off)).length - start
    down = made.update(SteadyState(start), rate(0.5 + off)).length - start
    assert up == pytest.approx(-down, abs=1e-12) and up >= 0


@pytest.mark.parametrize("start", [0, 1, 5])
def test_all_wrong_lengthens_from_anywhere(start: int) -> None:
    found = lengths(schedule("steady", length=start, max_length=9), [rate(0.0)] * 12)
    assert found[0] > start and found[-1] == 9.0  # .2 * 9 * .45 = .81 a step: 12 steps for all 9


def test_it_does_not_wind_up_at_its_bounds() -> None:
    made = schedule("steady", length=9, max_length=9, ema=0.0)
    assert lengths(made, [*[rate(0.0)] * 50, rate(1.0)])[-1] < 9.0
    made = schedule("steady", length=0, max_length=9, ema=0.0)
    assert lengths(made, [*[rate(1.0)] * 50, rate(0.0)])[-1] > 0.0


@given(starts, st.floats(0.55, 0.9))
def test_it_settles_at_the_target_from_any_start(start: float, skill: float) -> None:
    made, state = schedule("steady", max_length=9), SteadyState(start)
    for _ in range(200):
        state = made.update(state, rate(skill ** (10 - state.length)))
    reachable = min(max(0.5, skill**10), skill)
    assert abs(skill ** (10 - state.length) - reachable) < 0.06


def _simulate(kind: str, seed: int, skill: list[float], **settings: Any) -> tuple[list[float], list[float]]:
    """(true guided success rates, lengths): 10 steps, each right with probability `skill`; 64 of 256 guided."""
    rng, made = Random(seed), schedule(kind, length=6, max_length=9, **settings)
    state, true, found = made.start(), [], []
    for step, q in enumerate(skill, start=1):
        length = made.length(state, "p")
        helped, alone = q ** (10 - half_up(length)), q**10  # whole steps are given
        guided = sum(rng.random() < helped for _ in range(64))
        unguided = sum(rng.random() < alone for _ in range(192))
        state = made.update(state, Signal(step, (guided + unguided) / 256, unguided / 192, guided / 64))
        true.append(helped)
        found.append(length)
    return true, found


RIVAL = {"preset": "released_code", "signal": "all"}


def test_it_tracks_a_growing_skill_and_the_ratio_rule_does_not() -> None:
    skill = [0.6 + 0.3 * (1 - math.cos(math.pi * t / 99)) / 2 for t in range(100)]  # .6 to .9: 0.6% to 35% unguided
    ours, theirs = [], []
    for seed in range(8):
        ours.append(fmean(abs(p - 0.5) for p in _simulate("steady", seed, skill)[0][10:]))
        theirs.append(fmean(abs(p - 0.5) for p in _simulate("adaptive", seed, skill, **RIVAL)[0][10:]))
    assert max(ours) < 0.1
    assert fmean(ours) < fmean(theirs) / 2


def test_at_constant_skill_it_stays_and_the_ratio_rule_wanders() -> None:
    skill = [0.7] * 300
    ours, theirs = [], []
    for seed in range(8):
        ours.append(pstdev(_simulate("steady", seed, skill)[1][20:]))
        theirs.append(pstdev(_simulate("adaptive", seed, skill, **RIVAL)[1][20:]))
    assert max(ours) < 0.5
    assert fmean(theirs) > 2 * fmean(ours)
