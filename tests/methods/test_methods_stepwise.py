"""SGPO's rescue on whole groups."""

from __future__ import annotations

import dataclasses
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.groups import Group
from sgpo_cli.methods.rescue import RESCUES, load_rescue
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.recipe import kinds
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise


def group(outcomes: list[int | None], prefix: list[float | None], truncated: list[bool] | None = None) -> Group:
    n = len(outcomes)
    return Group(tuple(outcomes), tuple(truncated or [False] * n), tuple(prefix), (0.0,) * n)


LINEAR = RescueStepwise(shape="linear", wrong_max=0.9, scaling="mean_only")


def test_every_kind_of_the_recipe_has_an_implementation() -> None:
    named = {kind.__dataclass_fields__["kind"].default for kind in typing.get_args(kinds.Rescue)}
    assert set(RESCUES) == named


def test_none_leaves_every_group_alone() -> None:
    nothing = load_rescue(RescueNone())
    assert nothing.rescue(group([0, 0], [0.1, 0.9])) is None
    assert nothing.wants((0, 0), (False, False)) == (False, False)


def test_an_all_negative_group_by_hand() -> None:
    """Prefix scores .2 and .6, linear to .9: rewards .18 and .54, mean .36."""
    scored = Stepwise(LINEAR).rescue(group([0, 0], [0.2, 0.6]))
    assert scored is not None
    assert scored.rewards == pytest.approx((0.18, 0.54))
    assert scored.advantages == pytest.approx((-0.18, 0.18))
    assert scored.reasons == ("rescued", "rescued")


def test_weights_and_other_rewards_count() -> None:
    """Outcome weight 2, a format reward .5 on the first: .18*2+.5 = .86 and .54*2 = 1.08."""
    scored = Stepwise(LINEAR).rescue(Group((0, 0), (False, False), (0.2, 0.6), (0.5, 0.0), outcome_weight=2.0))
    assert scored is not None
    assert scored.rewards == pytest.approx((0.86, 1.08))


@pytest.mark.parametrize("outcomes", [[1, 1], [0, 1], [0, None], [None, None]])
def test_other_groups_are_left_alone(outcomes: list[int | None]) -> None:
    method = Stepwise(LINEAR)
    assert method.rescue(group(outcomes, [0.2, 0.6])) is None
    assert not any(method.wants(tuple(outcomes), (False, False)))


def test_all_incorrect_grades_the_wrong_answers_of_mixed_groups() -> None:
    method = Stepwise(dataclasses.replace(LINEAR, when="all_incorrect"))
    assert method.wants((1, 0, None), (False,) * 3) == (False, True, False)
    scored = method.rescue(group([1, 0, None], [None, 0.5, None]))
    assert scored is not None
    assert scored.rewards == (1.0, 0.45, None)
    assert scored.advantages == pytest.approx((0.275, -0.275, 0.0))
    assert scored.reasons == ("verified", "graded", "ungraded")
    assert method.rescue(group([1, 1], [None, None])) is None


def test_an_abstention_leaves_the_baseline_and_is_never_scored_zero() -> None:
    scored = Stepwise(LINEAR).rescue(group([0, 0, 0], [0.2, None, 0.6]))
    assert scored is not None
    assert scored.advantages == pytest.approx((-0.18, 0.0, 0.18))
    assert scored.rewards[1] is None
    assert scored.reasons == ("rescued", "abstained", "rescued")


def test_silent_groups_say_why() -> None:
    method = Stepwise(LINEAR)
    equal = method.rescue(group([0, 0, 0], [0.5, 0.5, None]))
    alone = method.rescue(group([0, 0, 0], [0.5, None, None]))
    assert equal is not None
    assert alone is not None
    assert equal.advantages == alone.advantages == (0.0, 0.0, 0.0)
    assert equal.reasons == ("equal_scores", "equal_scores", "abstained")
    assert alone.reasons == ("alone", "abstained", "abstained")


@pytest.mark.parametrize(
    ("policy", "reward", "reason", "judged"),
    [("zero", 0.0, "rescued", False), ("exclude", None, "truncated", False), ("keep", 0.72, "rescued", True)],
)
def test_truncated(policy: str, reward: float | None, reason: str, judged: bool) -> None:
    method = Stepwise(dataclasses.replace(LINEAR, truncated=policy))  # type: ignore[arg-type]
    cut = [True, False, False]
    assert method.wants((0, 0, 0), tuple(cut))[0] is judged
    scored = method.rescue(group([0, 0, 0], [0.8, 0.2, 0.6], cut))
    assert scored is not None
    assert scored.rewards[0] == pytest.approx(reward)
    assert scored.reasons[0] == reason


def test_cap_at_zero() -> None:
    scored = Stepwise(dataclasses.replace(LINEAR, cap_at_zero=True)).rescue(group([0, 0], [0.2, 0.6]))
    assert scored is not None
    assert scored.advantages == pytest.approx((-0.18, 0.0))


def test_two_scores_and_std_make_beta_and_gamma_irrelevant() -> None:
    """Dividing by the std cancels the shape when a group has two different scores (papers: a trap)."""
    groups = group([0, 0, 0], [0.0, 0.5, 0.5])
    one = Stepwise(RescueStepwise(scaling="std", beta=5, gamma=0.5)).rescue(groups)
    two = Stepwise(RescueStepwise(scaling="std", beta=2, gamma=0.1)).rescue(groups)
    assert one is not None
    assert two is not None
    assert one.advantages == pytest.approx(two.advantages, abs=2e-3)


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=2, max_size=8),
    st.sampled_from(["logistic", "linear"]),
    st.sampled_from(["std", "std_floor", "mean_only"]),
)
def test_a_longer_correct_prefix_is_never_paid_less(prefix: list[float | None], shape: str, scaling: str) -> None:
    method = Stepwise(RescueStepwise(shape=shape, scaling=scaling))  # type: ignore[arg-type]
    scored = method.rescue(group([0] * len(prefix), prefix))
    assert scored is not None
    for score, reward, advantage in zip(prefix, scored.rewards, scored.advantages, strict=True):
        if score is None:
            assert (reward, advantage) == (None, 0.0)
            continue
        assert reward is not None
        assert reward < 1
        for other, paid in zip(prefix, scored.advantages, strict=True):
            if other is not None and other <= score:
                assert paid <= advantage + 1e-9
