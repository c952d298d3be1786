"""How far a judge is trusted: hand-worked numbers, and what must hold whatever the judge says."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.trust import Evidence, Standing, from_labels, group_evidence, labelled_slope
from sgpo_cli.recipe.kinds import Trust

RULE = Trust(gain=2.0, caution=4.0, memory=128, budget=8, labels=16.0)
Judged = tuple[list[int], list[float]]


@st.composite
def mixed_groups(draw: st.DrawFn, largest: int = 8) -> Judged:
    """Outcomes with a right and a wrong one, and a reward for each."""
    size = draw(st.integers(2, largest))
    outcomes = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size).filter(lambda o: len(set(o)) == 2))
    rewards = draw(st.lists(st.sampled_from([i / 16 for i in range(17)]), min_size=size, max_size=size))
    return outcomes, rewards


def seen(group: Judged, scaling: str = "std") -> Evidence:
    found = group_evidence(*group, scaling=scaling, floor=0.2)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_by_hand() -> None:
    """Outcomes 1 0 0 0: a = (1.5, -.5, -.5, -.5), |a|^2 = 3. Rewards .8 .4 .4 .0: about .4, j = (.4, 0, 0, -.4)."""
    found = group_evidence([1, 0, 0, 0], [0.8, 0.4, 0.4, 0.0], scaling="mean_only", floor=0.2)
    assert found is not None
    assert found.power == pytest.approx(0.32)
    assert found.agreement == pytest.approx(1.5 * 0.4 + 0.5 * 0.4, rel=1e-3)
    assert found.variance == pytest.approx(0.32 * 3 / 3, rel=1e-3)
    standing = Standing().learn([found, found], RULE)
    keep = 1 - 1 / 128
    assert standing.agreement == pytest.approx(found.agreement * (1 + keep))
    assert standing.slope(RULE) == pytest.approx(0.8 * (1 + keep) / (0.32 * (1 + keep) + 4), rel=1e-3)
    b, e = standing.slope(RULE), math.sqrt(0.32 * (1 + keep**2)) / (0.32 * (1 + keep) + 4)
    assert standing.error(RULE) == pytest.approx(e, rel=1e-3)
    assert standing.weight(RULE) == pytest.approx(2 * b * (1 - (e / b) ** 2), rel=1e-2)
    assert standing.groups == 2


@pytest.mark.parametrize("outcomes", [[0, 0, 0], [1, 1, 1], [1, None, None], [0, None]])
def test_a_group_in_which_the_verifier_is_silent_says_nothing(outcomes: list[int | None]) -> None:
    assert group_evidence(outcomes, [0.5] * len(outcomes), scaling="std", floor=0.2) is None


def test_what_was_not_judged_is_left_out() -> None:
    whole = group_evidence([1, 0, 0], [0.9, 0.2, 0.4], scaling="std", floor=0.2)
    assert group_evidence([1, 0, 0, 0], [0.9, 0.2, 0.4, None], scaling="std", floor=0.2) == whole
    assert group_evidence([1, 0, 0, None], [0.9, 0.2, 0.4, 0.8], scaling="std", floor=0.2) == whole
    assert group_evidence([1, 0, 0], [None, 0.2, 0.4], scaling="std", floor=0.2) is None


@given(mixed_groups())
def test_the_inverted_judge_has_the_opposite_standing(group: Judged) -> None:
    outcomes, rewards = group
    one, other = seen(group), seen((outcomes, [1.0 - reward for reward in rewards]))
    assert other.agreement == pytest.approx(-one.agreement, abs=1e-9)
    assert other.power == pytest.approx(one.power)
    weights = [Standing().learn([found], RULE).weight(RULE) for found in (one, other)]
    assert min(weights) == 0.0


@given(mixed_groups())
def test_a_judge_of_equal_scores_has_no_standing(group: Judged) -> None:
    outcomes, _ = group
    assert seen((outcomes, [0.7] * len(outcomes))) == Evidence(0.0, 0.0, 0.0)


@given(mixed_groups(largest=5))
def test_variance_is_that_of_all_orders_of_the_scores(group: Judged) -> None:
    outcomes, rewards = group
    every = [seen((outcomes, list(order))).agreement for order in permutations(rewards)]
    assert math.fsum(every) / len(every) == pytest.approx(0.0, abs=1e-9)
    assert math.fsum(x * x for x in every) / len(every) == pytest.approx(seen(group).variance, abs=1e-9)


@given(st.lists(mixed_groups(), min_size=1, max_size=6), st.floats(-2, 2))
def test_without_caution_the_slope_is_the_best_linear_prediction(groups: list[Judged], other: float) -> None:
    """No other factor on the judge's advantages comes nearer to the verifier's: the error is quadratic around b."""
    found = [seen(group) for group in groups]
    power = math.fsum(one.power for one in found)
    if power < 1e-6:
        return
    bold = replace(RULE, caution=0.0, memory=10**12)
    best = Standing().learn(found, bold).slope(bold)

    def missed(factor: float) -> float:
        return factor**2 * power - 2 * factor * math.fsum(one.agreement for one in found)

    assert missed(best) <= missed(other) + 1e-9


@given(st.lists(mixed_groups(), max_size=12), st.integers(0, 12))
def test_learning_in_parts_is_learning_at_once(groups: list[Judged], cut: int) -> None:
    found = [seen(group, "std_floor") for group in groups]
    assert Standing().learn(found[:cut], RULE).learn(found[cut:], RULE) == Standing().learn(found, RULE)


@given(st.lists(mixed_groups(), max_size=12))
def test_the_weight_is_a_share_and_survives_a_checkpoint(groups: list[Judged]) -> None:
    standing = Standing().learn([seen(group) for group in groups], RULE)
    assert 0.0 <= standing.weight(RULE) <= 1.0 and standing.error(RULE) >= 0.0
    assert Standing(**standing.to_json()) == standing


@given(st.lists(mixed_groups(), min_size=1, max_size=12))
def test_what_chance_explains_weighs_nothing(groups: list[Judged]) -> None:
    standing = Standing().learn([seen(group) for group in groups], RULE)
    assert (standing.weight(RULE) > 0) == (standing.slope(RULE) > standing.error(RULE))
    assert standing.weight(RULE) <= max(0.0, RULE.gain * standing.slope(RULE))


@given(st.lists(mixed_groups(), min_size=1, max_size=12), st.floats(0.1, 100))
def test_more_caution_never_trusts_more(groups: list[Judged], more: float) -> None:
    standing = Standing().learn([seen(group) for group in groups], RULE)
    assert standing.weight(replace(RULE, caution=RULE.caution + more)) <= standing.weight(RULE) + 1e-12


def test_a_judge_that_turns_bad_is_found_out() -> None:
    """Evidence fades: after as many bad groups as `memory` there is no weight left, whatever came before."""
    good = seen(([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.1]))
    bad = seen(([1, 0, 0, 0], [0.1, 0.9, 0.2, 0.9]))
    praised = Standing().learn([good] * 1000, RULE)
    assert praised.weight(RULE) == 1.0
    assert praised.learn([bad] * RULE.memory, RULE).weight(RULE) == 0.0


def judged_by(noise: float, groups: int, seed: int) -> Standing:
    """Groups of 8 with one right answer of score 1; the others are right up to step 0 to 5 of 10. Scores are replaced
    by even draws with probability `noise`."""
    rng = random.Random(seed)
    found = []
    for _ in range(groups):
        outcomes, scores = [1, *[0] * 7], [1.0, *(rng.randint(0, 5) / 10 for _ in range(7))]
        spoilt = [rng.randint(0, 10) / 10 if rng.random() < noise else score for score in scores]
        found.append(seen((outcomes, spoilt), "std_floor"))
    return Standing().learn(found, RULE)


def test_better_judges_weigh_more_and_random_ones_next_to_nothing() -> None:
    def weight(noise: float) -> float:
        return math.fsum(judged_by(noise, 60, seed).weight(RULE) for seed in range(20)) / 20

    weights = [weight(noise) for noise in (0.0, 0.5, 0.8, 1.0)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == 1.0 and weights[-1] < 0.03


def test_labelled_figures_put_the_weight_where_they_say() -> None:
    standing = from_labels(0.5, replace(RULE, caution=0.0))
    assert standing.weight(replace(RULE, caution=0.0)) == pytest.approx(0.5)
    assert standing.weight(RULE) == pytest.approx(0.5 * 16 / 20)
    assert from_labels(0.0, RULE).weight(RULE) == 0.0


def test_the_labelled_slope_by_hand() -> None:
    """Judge .2 .4 .6, truth .1 .4 .4: about their means (-.2 0 .2) and (-.2 .1 .1), so .06/.08."""
    assert labelled_slope([(0.2, 0.1), (0.4, 0.4), (0.6, 0.4)]) == pytest.approx(0.75)
    assert labelled_slope([(0.2, 0.4), (0.6, 0.1)]) == 0.0
    assert labelled_slope([(0.4, 0.4), (0.6, 0.9)]) == 1.0
    assert labelled_slope([(0.5, 0.1), (0.5, 0.9)]) is None and labelled_slope([(0.5, 0.1)]) is None
