"""The kinds of `guidance:`, what is injected at the start of rollouts; kinds.py names them with the other kinds.

The schedules themselves are in methods/guidance, one small file each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sgpo_cli.recipe.ranges import Count, Positive, Range, Share


@dataclass(kw_only=True)
class GuidanceNone:
    """No ground-truth prefix is injected."""

    kind: Literal["none"] = "none"


@dataclass(kw_only=True)
class Guided:
    """What all guidance shares: the first rollouts of every group start from the first units of the problem's trace.

    Whatever a schedule asks for, the prefix ends before the step that first states the final answer at the trace's end.
    """

    kind: str
    fraction: Share = 0.25
    """Share of each group that is guided; times `trainer.group_size` it is rounded half up."""
    length: Annotated[int, Range(ge=0)]
    """Guidance length at the start, in units."""
    max_length: Count | None = None
    """Longest guidance, whatever the schedule asks; null is `length`."""
    unit: Literal["steps", "tokens"] = "steps"
    """What lengths count: steps of the trace as the splitter finds them, or its tokens."""
    loss_on_prefix: bool
    """Whether the injected tokens are trained on like sampled ones; when false their gradient is exactly zero."""
    budget: Literal["shared", "extra"] = "shared"
    """Injected tokens count towards `trainer.max_completion_length`, or come on top of it."""

    @property
    def cap(self) -> int:
        """`max_length`, or what null stands for."""
        return self.length if self.max_length is None else self.max_length


@dataclass(kw_only=True)
class Scheduled(Guided):
    """Guidance with one length for all problems, to which each problem may add its own."""

    scope: Literal["global", "per_problem"] = "global"
    """One length for all, or more for a problem whose group was all-negative, the next time that it comes."""
    grow: Count = 1
    """Units that a problem gains by an all-negative group and loses by an unguided success, scope per_problem."""


@dataclass(kw_only=True)
class Falling(Scheduled):
    """Guidance whose length falls from `length` to 0 by a fixed course."""

    end: Annotated[float, Range(gt=0, le=1)] = 0.8
    """Share of the training steps after which the length is 0."""


@dataclass(kw_only=True)
class GuidanceFixed(Scheduled):
    """The same length at every step."""

    kind: Literal["fixed"] = "fixed"


@dataclass(kw_only=True)
class GuidanceLinear(Falling):
    """length * (1 - t), t the share of `end` that has passed."""

    kind: Literal["linear"] = "linear"


@dataclass(kw_only=True)
class GuidancePower(Falling):
    """length * (1 - t)^exponent, t the share of `end` that has passed."""

    kind: Literal["power"] = "power"
    exponent: Positive = 2.0
    """Above 1 the course is convex (it falls early), below 1 concave (it falls late)."""


@dataclass(kw_only=True)
class GuidanceCosine(Falling):
    """length * (1 + cos(pi * t)) / 2, t the share of `end` that has passed."""

    kind: Literal["cosine"] = "cosine"


@dataclass(kw_only=True)
class GuidanceStepwise(Scheduled):
    """length * factor^n after n times `every` steps."""

    kind: Literal["stepwise"] = "stepwise"
    factor: Annotated[float, Range(ge=0, lt=1)] = 0.5
    """What the length is multiplied by."""
    every: Count = 20
    """Steps between two such cuts."""


@dataclass(kw_only=True)
class GuidanceRandom(Scheduled):
    """A length drawn for every problem of every step, uniform over `low`..`length`; the recipe's seed decides it."""

    kind: Literal["random"] = "random"
    low: Annotated[int, Range(ge=0)] = 0
    """Shortest length drawn."""


@dataclass(kw_only=True)
class GuidanceAdaptive(Scheduled):
    """G2RPO-A (arXiv 2508.13023): length * (mean of earlier signals / current one), so rising rewards shorten it."""

    kind: Literal["adaptive"] = "adaptive"
    preset: Literal["paper", "released_code"] = "paper"
    """The rule at every step with a real-valued length, or every third step, rounded down and at least 1."""
    signal: Literal["unguided", "all"] = "all"
    """Whose mean outcome is the signal: the unguided rollouts', or all rollouts', guided ones included."""
    window: Count | None = None
    """Earlier signals that are averaged; null is the preset's, 2 in both."""
    min_length: Annotated[float, Range(ge=0)] | None = None
    """Shortest length; null is the preset's: 0 of paper, 1 of released_code."""
    rounding: Literal["none", "floor", "half_up"] | None = None
    """What is done to a length before it is kept; null is the preset's: none of paper, floor of released_code."""
    ratio_clip: Annotated[float, Range(ge=1)] | None = None
    """Largest factor c of one change, which is then within 1/c and c; null, as in both presets, is no bound."""
    ema: Annotated[float, Range(ge=0, lt=1)] | None = None
    """Weight of the past when the signal is smoothed first; null, as in both presets, takes it as it is."""
    min_step: Annotated[float, Range(ge=0)] | None = None
    """Smallest change, in units, when there is one, which frees a floored length 1; null, as in both presets, is 0."""

    @property
    def lowest(self) -> float:
        """`min_length`, or what null stands for."""
        default = 1.0 if self.preset == "released_code" else 0.0
        return default if self.min_length is None else self.min_length


@dataclass(kw_only=True)
class GuidanceSteady(Scheduled):
    """Holds the success rate of the guided rollouts near a target by lengthening and shortening what they are given."""

    kind: Literal["steady"] = "steady"
    target: Annotated[float, Range(gt=0, lt=1)] = 0.5
    """Success rate of the guided rollouts to hold."""
    band: Share = 0.05
    """How far the smoothed rate may be from the target before the length moves."""
    gain: Annotated[float, Range(gt=0, le=1)] = 0.2
    """Change a step at an error of 1 outside the band, as a share of the longest guidance."""
    ema: Annotated[float, Range(ge=0, lt=1)] = 0.5
    """Weight of the past in the smoothed rate."""


@dataclass(kw_only=True)
class GuidanceJudged(Guided):
    """After an all-negative group, guidance reaches just past the step where its best rollout first went wrong.

    Kept for each problem. One that has not come before gets the mean over the last groups, and `length` before any.
    """

    kind: Literal["judged"] = "judged"
    unit: Literal["steps"] = "steps"
    """Steps of the trace, since verdicts are about steps."""
    shrink_at: Annotated[float, Range(gt=0, le=1)] = 0.5
    """Success rate of a problem's unguided rollouts from which its guidance loses a step."""
    window: Count = 64
    """Last groups that the mean for new problems is over."""


Guidance = (
    GuidanceNone
    | GuidanceFixed
    | GuidanceLinear
    | GuidancePower
    | GuidanceStepwise
    | GuidanceCosine
    | GuidanceRandom
    | GuidanceAdaptive
    | GuidanceSteady
    | GuidanceJudged
)
