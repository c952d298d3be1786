"""What a schedule learns from one step: mean outcomes, and a few facts of every problem. Never from evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sgpo_cli.methods.outcomes import Outcome, classify


@dataclass(frozen=True, slots=True)
class ProblemFact:
    """What one group says about its problem."""

    problem: str
    """The row's id."""
    all_negative: bool
    """Every outcome of the group, guided ones included, is 0; a group with an unknown outcome is not."""
    unguided: float | None
    """Mean outcome of the unguided rollouts, in [0,1]; None when none of them was graded."""
    first_error: int | None = None
    """The furthest first wrong step (0-based, counted from the start of the response, prefix included) that the judge
    found in any rollout of the group; None when it judged none, abstained on all, or found no wrong step."""
    trace_steps: int | None = None
    """Steps of the problem's trace that guidance may reach (the answer's are not among them); None when unknown."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One step seen whole (all ranks). Means are over graded rollouts, in [0,1]; None when there are none."""

    step: int
    """The step that was just made, 1-based."""
    accuracy: float | None
    """Mean outcome of all rollouts."""
    unguided: float | None
    """Mean outcome of the unguided rollouts."""
    guided: float | None
    """Mean outcome of the rollouts in guided places, whatever their prefix's length was (0 included)."""
    problems: tuple[ProblemFact, ...] = ()
    """The step's problems, in order."""

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"steps are counted from 1, got {self.step}")
        for mean in (self.accuracy, self.unguided, self.guided):
            if mean is not None and not 0.0 <= mean <= 1.0:  # false for NaN too
                raise ValueError(f"a mean outcome is within [0, 1], got {mean}")


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group as the trainer knows it; `outcomes`, `guided` and `first_errors` have G entries in the same order."""

    problem: str
    outcomes: Sequence[Outcome]
    guided: Sequence[bool]
    first_errors: Sequence[int | None] = ()
    """The judge's `first_error` (-1: none found), None for a rollout without a verdict; empty when nobody judged."""
    trace_steps: int | None = None


def summarise(step: int, groups: Iterable[GroupSeen]) -> Signal:
    """The signal of a step, from its groups. Rollouts that could not be graded count in no mean."""
    facts: list[ProblemFact] = []
    guided: list[int] = []
    unguided: list[int] = []
    for group in groups:
        pairs = list(zip(group.outcomes, group.guided, strict=True))
        alone = [outcome for outcome, is_guided in pairs if outcome is not None and not is_guided]
        guided += [outcome for outcome, is_guided in pairs if outcome is not None and is_guided]
        unguided += alone
        errors = [error for error in group.first_errors if error is not None and error >= 0]
        facts.append(
            ProblemFact(
                problem=group.problem,
                all_negative=classify(group.outcomes) == "all_negative",
                unguided=_mean(alone),
                first_error=max(errors, default=None),
                trace_steps=group.trace_steps,
            )
        )
    return Signal(step, _mean(guided + unguided), _mean(unguided), _mean(guided), tuple(facts))


def _mean(values: Sequence[int]) -> float | None:
    return math.fsum(values) / len(values) if values else None
