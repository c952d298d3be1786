"""Advantages of one group."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.advantages import group_advantages

rewards = st.lists(st.floats(0, 1), min_size=2, max_size=16)


def test_std_by_hand() -> None:
    """Rewards 0, 0, 0, 1: mean .25, unbiased std .5."""
    small, big = -0.25 / 0.5001, 0.75 / 0.5001
    assert group_advantages([0, 0, 0, 1], scaling="std") == pytest.approx([small, small, small, big])


def test_scalings_by_hand() -> None:
    """Rewards .1 and .12: mean .11, unbiased std .014142."""
    assert group_advantages([0.1, 0.12], scaling="mean_only") == pytest.approx([-0.01, 0.01])
    assert group_advantages([0.1, 0.12], scaling="std_floor", floor=0.05) == pytest.approx([-0.2, 0.2])
    assert group_advantages([0.1, 0.12], scaling="std") == pytest.approx(
        [-0.01 / 0.0142421] * 1 + [0.01 / 0.0142421], rel=1e-4
    )
    assert group_advantages([0.1, 0.12], scaling="mean_only", weight=0.25) == pytest.approx([-0.0025, 0.0025])


def test_a_std_above_the_floor_is_std() -> None:
    assert group_advantages([0, 1], scaling="std_floor", floor=0.05) == group_advantages([0, 1], scaling="std")


def test_those_outside_the_baseline_get_nothing_and_change_nothing() -> None:
    with_hole = group_advantages([0.2, None, 0.6], scaling="mean_only")
    assert with_hole == pytest.approx([-0.2, 0.0, 0.2])


@pytest.mark.parametrize("group", [[0.3], [None, 0.3], [None, None], [0.1 + 0.2, 0.3], [0.0, 0.0, 0.0]])
def test_no_contrast_no_advantage(group: list[float | None]) -> None:
    assert group_advantages(group, scaling="std") == [0.0] * len(group)


@given(rewards)
def test_std_is_what_trl_computes(group: list[float]) -> None:
    if max(group) - min(group) < 1e-3:
        return
    known = torch.tensor(group, dtype=torch.float64)
    wanted = (known - known.mean()) / (known.std() + 1e-4)
    assert group_advantages(group, scaling="std") == pytest.approx(wanted.tolist(), abs=1e-9)


@given(rewards, st.sampled_from(["std", "std_floor", "mean_only"]), st.floats(0, 3))
def test_centred_ordered_and_finite(group: list[float], scaling: str, weight: float) -> None:
    advantages = group_advantages(group, scaling=scaling, weight=weight)  # type: ignore[arg-type]
    assert math.fsum(advantages) == pytest.approx(0, abs=1e-6)
    assert all(math.isfinite(a) for a in advantages)
    for r1, a1 in zip(group, advantages, strict=True):
        for r2, a2 in zip(group, advantages, strict=True):
            if r1 <= r2:
                assert a1 <= a2 + 1e-12
