"""SGPO (arXiv 2505.11595): the later a wrong answer's first wrong step, the higher its reward.

An all-negative group then has an ordering, and GRPO's advantage of it is no longer zero. Reward form: see
`methods/rewards.py`; scaling: `methods/advantages.py`. A right answer keeps reward 1 whatever its reasoning.
"""

from __future__ import annotations

from sgpo_cli.methods.advantages import EQUAL_REWARDS, group_advantages
from sgpo_cli.methods.groups import Group, Reason, Scored
from sgpo_cli.methods.outcomes import Outcome, classify
from sgpo_cli.methods.rewards import graded_reward
from sgpo_cli.recipe.kinds import RescueStepwise


class Stepwise:
    needs_judge = True

    def __init__(self, config: RescueStepwise) -> None:
        self.config = config
        self.unit = config.unit

    def _applies(self, outcomes: tuple[Outcome, ...]) -> bool:
        if self.config.when == "all_negative":
            return classify(outcomes) == "all_negative"
        return 0 in outcomes

    def reads(self, truncated: bool) -> bool:
        """Whether a judge's reading of such a rollout counts for anything."""
        return self.config.truncated == "keep" or not truncated

    def graded(self, score: float) -> float:
        """The reward in [0, 1) that a prefix score alone is worth."""
        c = self.config
        return graded_reward(score, shape=c.shape, beta=c.beta, gamma=c.gamma, wrong_max=c.wrong_max)

    def wants(self, outcomes: tuple[Outcome, ...], truncated: tuple[bool, ...]) -> tuple[bool, ...]:
        """Every wrong rollout of a group in question; a truncated one only under `truncated: keep`."""
        applies = self._applies(outcomes)
        return tuple(applies and o == 0 and self.reads(t) for o, t in zip(outcomes, truncated, strict=True))

    def rescue(self, group: Group) -> Scored | None:
        """Graded rewards and their advantages; None when this group is none of ours."""
        if not self._applies(group.outcomes):
            return None
        rows = [self._reward(group, i) for i in range(len(group.outcomes))]
        rewards = tuple(reward for reward, _ in rows)
        advantages = group_advantages(
            rewards, scaling=self.config.scaling, floor=self.config.floor, weight=self.config.weight
        )
        if self.config.cap_at_zero:
            pairs = zip(advantages, group.outcomes, strict=True)
            advantages = [min(a, 0.0) if outcome == 0 else a for a, outcome in pairs]
        silence = _why_silent(rewards)
        reasons = tuple(reason if r is None or silence is None else silence for r, reason in rows)
        return Scored(rewards, tuple(advantages), reasons)

    def _reward(self, group: Group, i: int) -> tuple[float | None, Reason]:
        """Reward and reason of rollout i; None takes it out of the group's baseline."""
        outcome = group.outcomes[i]
        if outcome is None:
            return None, "ungraded"
        if outcome == 1:
            return group.outcome_weight + group.other[i], "verified"
        score = group.prefix[i]
        if group.truncated[i] and self.config.truncated != "keep":
            if self.config.truncated == "exclude":
                return None, "truncated"
            score = 0.0
        if score is None:
            return None, "abstained"
        reason: Reason = "rescued" if group.kind == "all_negative" else "graded"
        return group.outcome_weight * self.graded(score) + group.other[i], reason


def _why_silent(rewards: tuple[float | None, ...]) -> Reason | None:
    """Why no row of the group gets an advantage; None when some may."""
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2:
        return "alone"
    return "equal_scores" if max(known) - min(known) <= EQUAL_REWARDS else None
