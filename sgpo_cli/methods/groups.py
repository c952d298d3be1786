"""What a rescue reads and gives: one whole group in, rewards and advantages out. No ranks, no files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from sgpo_cli.methods.outcomes import GroupClass, Outcome, classify

Reason = Literal[
    "verified",
    "no_contrast",
    "ungraded",
    "rescued",
    "graded",
    "equal_scores",
    "abstained",
    "truncated",
    "alone",
    "fallback",
    "untrusted",
]
"""Why a rollout got its advantage.

verified: from the verifier's reward, as in GRPO. no_contrast: every reward of its group is the same. ungraded: the
verifier could not tell. rescued: from a graded reward in an all-negative group; graded: the same in another group.
equal_scores: the group's graded rewards are all equal. abstained: the judge gave no verdict. truncated: left out of the
baseline because it was cut off. alone: nothing left in the group to compare with. fallback: too many abstentions in the
step, so that the step is plain GRPO. untrusted: the judge's record gives it no weight, so that the group is left as it
was.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """The G rollouts of one problem, in order; every tuple has G entries."""

    outcomes: tuple[Outcome, ...]
    truncated: tuple[bool, ...]
    prefix: tuple[float | None, ...]
    """Prefix scores in [0,1]; None for a rollout that was not judged or on which the judge abstained."""
    other: tuple[float, ...]
    """Weighted sum of the rewards besides the outcome (format and the like); 0 when there are none."""
    outcome_weight: float = 1.0
    """Weight of the outcome in the sum of rewards."""

    @property
    def kind(self) -> GroupClass:
        return classify(self.outcomes)


@dataclass(frozen=True, slots=True)
class Scored:
    """A group after its rescue: rewards used (None: outside the baseline), advantages and reasons, G of each."""

    rewards: tuple[float | None, ...]
    advantages: tuple[float, ...]
    reasons: tuple[Reason, ...]


class RescueMethod(Protocol):
    """What gives a group a signal; pure, and the same on every rank."""

    needs_judge: bool
    """Whether it wants verdicts at all."""
    unit: Literal["steps", "tokens"]
    """Measure of the prefix scores it is given."""

    def wants(self, outcomes: tuple[Outcome, ...], truncated: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which rollouts of a group a judge has to read."""

    def rescue(self, group: Group) -> Scored | None:
        """New rewards and advantages of the whole group; None leaves what plain GRPO gave."""
