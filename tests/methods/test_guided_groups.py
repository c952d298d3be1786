"""A rescue in groups with guided rollouts: who is compared with whom, and by what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.groups import Group
from sgpo_cli.methods.guided_groups import part_of, rescue, wants
from sgpo_cli.methods.prefix import earned_score
from sgpo_cli.methods.rescue import load_rescue
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise

TWO_OF_SIX = (True, True, False, False, False, False)
outcomes = st.lists(st.sampled_from([0, 1, None]), min_size=6, max_size=6)


@pytest.mark.parametrize(
    ("results", "part"),
    [
        ([0, 0, 0, 0, 0, 0], (2, 3, 4, 5)),  # all-negative: the unguided ones among themselves
        ([1, 0, 0, 0, 0, 0], (2, 3, 4, 5)),  # a guided success does not take their order away
        ([None, 0, 0, 0, 0, 0], (2, 3, 4, 5)),
        ([0, 0, 1, 0, 0, 0], (0, 1, 2, 3, 4, 5)),
        ([0, 0, None, 0, 0, 0], (0, 1, 2, 3, 4, 5)),
    ],
)
def test_part(results: list[Any], part: tuple[int, ...]) -> None:
    assert part_of(results, TWO_OF_SIX) == part


def test_a_group_all_of_one_kind_is_one_part() -> None:
    assert part_of([0, 0], [True, True]) == (0, 1)
    assert part_of([0, 0], [False, False]) == (0, 1)


@pytest.mark.parametrize(
    ("score", "share", "earned"),
    [(8 / 11, 6 / 11, 2 / 5), (6 / 11, 6 / 11, 0.0), (1.0, 6 / 11, 1.0), (3 / 11, 6 / 11, 0.0), (1.0, 1.0, 0.0)],
)
def test_earned(score: float, share: float, earned: float) -> None:
    """6 of 11 steps given: the first error at step 8 is 2 of 5 steps earned; one in the given part earns nothing."""
    assert earned_score(score, share) == pytest.approx(earned)


@given(score=st.floats(0, 1), more=st.floats(0, 1), share=st.floats(0, 1))
def test_earned_is_a_share_and_rises_with_the_score(score: float, more: float, share: float) -> None:
    low, high = sorted((score, more))
    assert 0.0 <= earned_score(low, share) <= earned_score(high, share) <= 1.0
    assert earned_score(score, 0.0) == score


def _group(results: list[Any], prefix: list[float | None]) -> Group:
    n = len(results)
    return Group(tuple(results), (False,) * n, tuple(prefix), (0.0,) * n)


def test_the_unguided_order_is_that_of_sgpo_without_the_guided_rows() -> None:
    """The naive way, one baseline over whole-response scores, would push all four unguided rows down."""
    method = load_rescue(RescueStepwise(shape="linear", scaling="std"))
    scores: list[float | None] = [0.7, 0.6, 0.0, 0.1, 0.3, 0.2]
    taken = rescue(method, _group([0] * 6, scores), TWO_OF_SIX)
    alone = method.rescue(_group([0] * 4, scores[2:]))
    assert taken is not None and taken == ((2, 3, 4, 5), alone)
    naive = method.rescue(_group([0] * 6, scores))
    assert naive is not None and max(naive.advantages[2:]) < 0 < max(taken[1].advantages)


def test_a_guided_success_leaves_the_unguided_rows_their_rescue() -> None:
    method = load_rescue(RescueStepwise())
    assert wants(method, [1, 0, 0, 0, 0, 0], [False] * 6, TWO_OF_SIX) == (False, False, True, True, True, True)
    taken = rescue(method, _group([1, 0, 0, 0, 0, 0], [None, None, 0.1, 0.2, 0.3, 0.4]), TWO_OF_SIX)
    assert taken is not None and taken[0] == (2, 3, 4, 5)
    assert set(taken[1].reasons) == {"rescued"}


@given(results=outcomes)
def test_without_guidance_it_is_the_rescue_itself(results: list[Any]) -> None:
    for config in (RescueStepwise(), RescueStepwise(when="all_incorrect"), RescueNone()):
        method = load_rescue(config)
        nobody = [False] * 6
        assert wants(method, results, nobody, nobody) == method.wants(tuple(results), (False,) * 6)
        group = _group(results, [0.1, 0.2, None, 0.4, 0.5, 0.6])
        scored, taken = method.rescue(group), rescue(method, group, nobody)
        assert taken == (None if scored is None else (tuple(range(6)), scored))


@given(results=outcomes)
def test_grpo_stays_grpo(results: list[Any]) -> None:
    method = load_rescue(RescueNone())
    assert rescue(method, _group(results, [None] * 6), TWO_OF_SIX) is None
    assert not any(wants(method, results, [False] * 6, TWO_OF_SIX))
