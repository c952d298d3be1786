"""The sections that come in kinds: one dataclass a kind, told apart by `kind:`.

The implementations live elsewhere (rescue in methods/rescue, judges in judging, rewards in training); a test asserts
that the kinds here and the implementations there are the same set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sgpo_cli.recipe.guidance import Guidance as Guidance
from sgpo_cli.recipe.guidance import GuidanceNone as GuidanceNone
from sgpo_cli.recipe.judgecards import JudgeCard as JudgeCard
from sgpo_cli.recipe.ranges import Count, Positive, Range, Share

# --- warmup: what the policy learns before RL ---------------------------------------------------------------------


@dataclass(kw_only=True)
class WarmupNone:
    """RL starts from the model as it is."""

    kind: Literal["none"] = "none"


@dataclass(kw_only=True)
class WarmupSft:
    """Supervised fine-tuning on problem and solution; for task `hops`, on its corpus with misconceptions."""

    kind: Literal["sft"] = "sft"
    seed: Annotated[int, Range(ge=0)] = 0
    """Seed of weights, corpus and order; apart from the recipe's, so that recipes can share a warm start."""
    steps: Count = 320
    """Optimizer steps."""
    batch_size: Count = 128
    """Rows an optimizer step, over all processes."""
    learning_rate: Positive = 3e-3
    """Peak learning rate of AdamW."""
    betas: tuple[Share, Share] = (0.9, 0.98)
    """AdamW's decay rates."""
    weight_decay: Annotated[float, Range(ge=0)] = 0.01
    """AdamW's weight decay."""
    warmup_steps: Annotated[int, Range(ge=0)] = 50
    """Steps of linear rise to the peak."""
    decay: Share = 0.5
    """Share of the steps, at the end, over which the rate falls linearly to 0."""
    max_length: Count = 1024
    """Longest problem plus solution, in tokens; longer rows are cut."""
    save_every: Count = 100
    """Steps between checkpoints."""


Warmup = WarmupNone | WarmupSft


# --- reward: what the verifier says of a rollout ------------------------------------------------------------------


@dataclass(kw_only=True)
class RewardMath:
    """1 when the final answer equals the gold answer as mathematics, else 0; an outcome."""

    kind: Literal["math"] = "math"
    weight: float = 1.0
    """Factor in the sum of rewards."""
    timeout_s: Positive = 5.0
    """Seconds before a comparison is given up; the rollout is then ungraded, never scored 0."""


@dataclass(kw_only=True)
class RewardExact:
    """1 when the text after the last marker equals the gold answer, else 0; an outcome."""

    kind: Literal["exact"] = "exact"
    weight: float = 1.0
    """Factor in the sum of rewards."""
    marker: str = "#"
    """What the final answer stands behind."""


@dataclass(kw_only=True)
class RewardCode:
    """What a program's tests say, run in a sandbox: 1 when all pass, else 0 (an outcome), or the share that passes."""

    kind: Literal["code"] = "code"
    weight: float = 1.0
    """Factor in the sum of rewards."""
    score: Literal["all", "fraction"] = "all"
    """1 when every test passes, else 0, an outcome; or the share of tests that pass, no outcome."""
    tests: Literal["humaneval", "mbpp", "livecodebench", "openr1"] | None = None
    """Whose columns hold a row's tests; null is told by the columns that are there."""
    cpu_seconds: Positive = 10.0
    """Processor time a test may take."""
    memory_mib: Count = 1024
    """Memory a program may take."""
    workers: Count = 2
    """Programs run at once, a process of the training."""
    unsafe: bool = False
    """Run programs without a sandbox where none works; they can then do whatever the training can."""


@dataclass(kw_only=True)
class RewardFormat:
    """1 when the whole response matches a regular expression, else 0; not an outcome."""

    kind: Literal["format"] = "format"
    weight: float = 1.0
    """Factor in the sum of rewards."""
    pattern: str = r"(?s).*\\boxed\{.+\}.*"
    """Python regular expression, matched against the whole response."""


@dataclass(kw_only=True)
class RewardPython:
    """A function of yours: `f(problem: str, response: str, answer: str | None, row: dict) -> float | None`."""

    kind: Literal["python"] = "python"
    weight: float = 1.0
    """Factor in the sum of rewards."""
    path: str
    """`package.module:function` or `file.py:function`; None means ungraded, a non-finite number stops the run."""
    outcome: bool = False
    """Whether it returns 0 or 1 and decides which groups are all-negative."""


Reward = RewardMath | RewardExact | RewardCode | RewardFormat | RewardPython


# --- rescue: what gives an all-negative group a signal ------------------------------------------------------------


@dataclass(kw_only=True)
class RescueNone:
    """Plain GRPO: all-negative groups stay without a signal."""

    kind: Literal["none"] = "none"


@dataclass(kw_only=True)
class Trust:
    """Rescued groups count as far as the judge's scores foretell the verifier's outcomes where there are any."""

    gain: Positive = 2.0
    """Factor on what is measured, for outcomes are themselves a noisy measure; the weight never exceeds 1."""
    caution: Annotated[float, Range(ge=0)] = 4.0
    """How much evidence (in units of the judge's squared advantages) it takes to move the weight half of the way up."""
    memory: Count = 128
    """Mixed groups after which evidence has faded to about a third."""
    budget: Count = 8
    """Largest number of mixed groups a step that the judge reads to be measured; rescued groups come on top."""
    labels: Annotated[float, Range(ge=0)] = 16.0
    """How much evidence the judge stage's labelled figures count for, where there are any; 0 leaves them out."""


@dataclass(kw_only=True)
class RescueStepwise:
    """SGPO (arXiv 2505.11595): a wrong answer's reward rises with its prefix score, as the judge found it."""

    kind: Literal["stepwise"] = "stepwise"
    when: Literal["all_negative", "all_incorrect"] = "all_negative"
    """Which wrong answers are graded: those of all-negative groups, or every wrong answer."""
    shape: Literal["logistic", "linear"] = "logistic"
    """sigmoid(beta*(s-gamma)) or wrong_max*s, with s the prefix score; both below 1 and increasing."""
    beta: Positive = 5.0
    """Slope of the logistic; open in the paper, 5 is a third party's default."""
    gamma: Share = 0.5
    """Midpoint of the logistic; open in the paper, 0.5 is a third party's default."""
    wrong_max: Annotated[float, Range(gt=0, lt=1)] = 0.99
    """Reward of a wrong answer in which no wrong step was found, shape linear."""
    unit: Literal["steps", "tokens"] = "steps"
    """Measure of the correct prefix: share of steps, or share of the response's tokens."""
    scaling: Literal["std", "std_floor", "mean_only"] = "std_floor"
    """Divisor of a rescued group's advantages: its std, its std but at least `floor`, or nothing."""
    floor: Positive = 0.2
    """Smallest divisor under std_floor."""
    weight: Annotated[float, Range(ge=0)] = 1.0
    """Factor on a rescued group's advantages."""
    cap_at_zero: bool = False
    """Whether wrong answers may never get a positive advantage."""
    truncated: Literal["zero", "exclude", "keep"] = "zero"
    """A truncated response's prefix score is 0, or it leaves the group's baseline, or it is graded like any other."""
    trust: Trust | None = field(default_factory=Trust)
    """How rescued groups are weighed by the judge's own record; null gives every judge full weight."""


Rescue = RescueNone | RescueStepwise
