"""The eval card: where a benchmark's problems come from, how they are asked, how answers are graded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sgpo_cli.recipe.kinds import Count
from sgpo_cli.recipe.ranges import Range


@dataclass(kw_only=True)
class EvalColumns:
    """Which column of the data set holds what."""

    problem: str = "problem"
    """The question."""
    answer: str = "answer"
    """The gold answer; a whole solution is fine, its final answer is taken out."""
    id: str | None = None
    """A unique name of the row; null numbers the rows."""
    aliases: str | None = None
    """A list of other right answers."""


@dataclass(kw_only=True)
class Grading:
    """How an answer is compared with the gold answer."""

    kind: Literal["math", "exact"] = "math"
    """As mathematics, or the exact text after a marker."""
    marker: str = "#"
    """What the final answer stands behind, kind exact."""


@dataclass(kw_only=True)
class Sampling:
    """How answers are sampled; the card's comment names the source of the values."""

    temperature: Annotated[float, Range(ge=0)] = 0.6
    """Sampling temperature; 0 is greedy."""
    top_p: Annotated[float, Range(gt=0, le=1)] = 0.95
    """Nucleus."""
    max_new_tokens: Count = 4096
    """Longest answer, in tokens."""


@dataclass(kw_only=True)
class EvalCard:
    """A benchmark. Exactly one of `hub`, `file` and `task` says where its problems come from."""

    name: str
    """Name of the bench; defaults to the file's stem."""
    hub: str | None = None
    """Data set id on the hub."""
    file: str | None = None
    """Local JSONL file."""
    task: Literal["hops"] | None = None
    """Built-in task: its held-out problems, with the settings of the recipe or of the model's run."""
    config: str | None = None
    """Configuration name of the hub data set."""
    split: str = "test"
    """Split of the hub data set."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    columns: EvalColumns = field(default_factory=EvalColumns)
    """Which column holds what."""
    rows: Count | None = None
    """Expected number of problems; another number is an error."""
    prompt: str = "{problem}"
    """What the model is asked; `{problem}` stands for the problem."""
    grade: Grading = field(default_factory=Grading)
    """How answers are compared."""
    k: Count = 1
    """Samples a problem."""
    sampling: Sampling = field(default_factory=Sampling)
    """How answers are sampled."""
