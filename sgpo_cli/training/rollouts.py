"""One rollout and one batch of them, as the trainer hands them to the ledger: plain data, the same on every rank."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Verdict
from sgpo_cli.methods.groups import Reason
from sgpo_cli.methods.guidance.cut import CutReason
from sgpo_cli.methods.guidance.signal import Signal
from sgpo_cli.methods.outcomes import GroupClass, Outcome


@dataclass(slots=True)
class Rollout:
    """A response with all that is known of it."""

    id: str
    problem: str
    reference: str | None
    answer: str | None
    response: str
    tokens: int
    """Length of the response in tokens, EOS included."""
    truncated: bool
    """Cut off by the length limit: it does not end in EOS."""
    outcome: Outcome = None
    reward: float | None = None
    """What the advantage used; None when nothing could grade it or it is outside its group's baseline."""
    other: float = 0.0
    """Weighted sum of the rewards besides the outcome."""
    advantage: float = 0.0
    reason: Reason = "verified"
    verdict: Verdict | None = None
    prefix: float | None = None
    """Prefix score in the rescue's unit; None when not judged or abstained."""
    earned: float | None = None
    """The prefix score of what it sampled itself; `prefix` when nothing was injected."""
    abstained: bool = False
    """The judge was asked and gave nothing to grade by."""
    step_ends: list[int] | None = None
    """Character offsets where the steps of `response` end; None when it was not split."""
    steps_right: float | None = None
    """Share of its steps before the first wrong one, where the task or a judge knows."""
    prefix_tokens: int = 0
    """Ground-truth tokens injected at its start."""
    prefix_end: int = 0
    """Character of `response` where the injected part ends."""
    guided: bool = False
    """It stands in a guided place of its group, though its prefix may have come out empty."""
    shortened: CutReason | None = None
    """Why it was given less of the trace than asked for."""
    trace_steps: int | None = None
    """Steps of the problem's trace that guidance may give; None in a place that is not guided."""

    def to_json(self, *, step: int, group: int, sample: int) -> dict[str, Any]:
        """The row of rollouts.jsonl."""
        return {
            "step": step,
            "group": group,
            "sample": sample,
            "id": self.id,
            "problem": self.problem,
            "response": self.response,
            "prefix_tokens": self.prefix_tokens,
            "prefix_end": self.prefix_end,
            "outcome": self.outcome,
            "reward": self.reward,
            "advantage": self.advantage,
            "truncated": self.truncated,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "reason": self.reason,
            "step_ends": self.step_ends,
        }


@dataclass(slots=True)
class JudgeFigures(Usage):
    """What judging cost in one step, over all ranks; `calls` of a judge in the process are solutions read."""

    seconds: float = 0.0
    """Wall time of the slowest rank."""
    waited: float = 0.0
    """Of that, how long the trainer had nothing else to do."""

    def count(self, usage: Usage) -> None:
        """Takes a metered judge's own counts; it knows its calls better than we do, but not that it raised."""
        raised = self.failed
        for one in fields(Usage):
            setattr(self, one.name, getattr(usage, one.name))
        self.failed += raised

    def add(self, other: Usage) -> None:
        Usage.add(self, other)
        if isinstance(other, JudgeFigures):
            self.seconds = max(self.seconds, other.seconds)
            self.waited = max(self.waited, other.waited)


@dataclass(frozen=True, slots=True)
class GuidanceFigures:
    """What a step's guidance was set to."""

    length: float
    """Length asked for, in the guidance's unit, for a problem that no per-problem state speaks of."""
    fraction: float
    """Share of rollouts in guided places."""
    signal: Signal | None = None
    """What the schedule learned from the step: the next length follows from it."""
    multiplies: bool = False
    """The next length is a multiple of this one, so that one which rounds to nothing does not come back by itself."""


@dataclass(frozen=True, slots=True)
class TrustFigures:
    """How far the judge was trusted in a step, and why."""

    weight: float
    """Weight of rescued groups, in [0, 1]."""
    slope: float
    """How much of the verifier's advantage one unit of the judge's foretells in mixed groups, held back by caution."""
    error: float
    """Standard error of `slope` if the judge said nothing."""
    power: float
    """The evidence behind it: squared advantages of the judge's, older ones faded; `caution` counts against it."""
    groups: int
    """Mixed groups that the judge was measured on so far."""
    read: int
    """Of these, in this step."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the policy is from the one that made fixed rollouts, over the tokens of a batch, before its updates.

    `ratio`: mean importance ratio; `log_ratio`: mean size of its logarithm; `outside`: share of tokens whose ratio is
    outside the clip range, so that one of the two signs of advantage moves them no further.
    """

    ratio: float
    log_ratio: float
    outside: float


@dataclass(slots=True)
class Batch:
    """All rollouts of one step, group by group, after rewards, verdicts and advantages."""

    step: int
    group_size: int
    rollouts: list[Rollout]
    kinds: list[GroupClass]
    """Class of each group by outcome, before any rescue."""
    rescued: list[bool]
    """All-negative groups that the rescue gave a non-zero advantage."""
    judge: JudgeFigures = field(default_factory=JudgeFigures)
    judged: int = 0
    """Rollouts that the judge was asked about."""
    fallback: bool = False
    """Too many abstentions: the step is plain GRPO."""
    guidance: GuidanceFigures | None = None
    """None in a run without guidance."""
    trust: TrustFigures | None = None
    """None where every judge has full weight."""
    measured: int = 0
    """Of the rollouts that the judge was asked about, those read to measure the judge alone."""
    drift: Drift | None = None
    """None where rollouts are the policy's own."""

    def groups(self) -> list[list[Rollout]]:
        g = self.group_size
        return [self.rollouts[start : start + g] for start in range(0, len(self.rollouts), g)]
