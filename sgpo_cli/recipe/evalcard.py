"""The eval card: where a benchmark's problems come from, how they are asked, how answers are graded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sgpo_cli.recipe.kinds import Count
from sgpo_cli.recipe.ranges import Positive, Range


@dataclass(kw_only=True)
class EvalColumns:
    """Which column of the data set holds what."""

    problem: str = "problem"
    """The question."""
    answer: str | None = "answer"
    """The gold answer; a whole solution is fine (its final answer is taken out); null: there is none."""
    id: str | None = None
    """A unique name of the row; null numbers the rows."""
    aliases: str | None = None
    """A list of other right answers."""
    several: str | None = None
    """True in rows whose answer lists several answers: all must be given, in any order."""
    choices: list[str] | None = None
    """Columns of the wrong choices, kind choice; `answer` holds the right one."""
    steps: str = "steps"
    """The steps of a solution, kind steps."""
    first_error: str = "first_error"
    """Index of the first wrong step, from 0, or -1; kind steps."""


@dataclass(kw_only=True)
class Grading:
    """How an answer is compared with the gold answer."""

    kind: Literal["math", "exact", "choice", "code", "steps"] = "math"
    """As mathematics, text after a marker, a choice's letter, a program's tests, or a judge's first wrong step."""
    marker: str = "#"
    """What the final answer stands behind, kind exact."""
    tests: Literal["humaneval", "mbpp", "livecodebench"] | None = None
    """Whose columns hold the tests, kind code."""
    cpu_seconds: Positive = 10.0
    """Processor time a test may take, kind code."""
    memory_mib: Count = 1024
    """Memory a program may take, kind code."""


@dataclass(kw_only=True)
class Sampling:
    """How answers are sampled; the card's comment names the source of the values."""

    temperature: Annotated[float, Range(ge=0)] = 0.6
    """Sampling temperature; 0 is greedy."""
    top_p: Annotated[float, Range(gt=0, le=1)] = 0.95
    """Nucleus."""
    top_k: Annotated[int, Range(ge=0)] = 0
    """Most likely tokens to sample from; 0 is all."""
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
    splits: list[str] | None = None
    """Splits that are measured one by one, kind steps; in the place of `split`."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    gated: str | None = None
    """What to accept, and where, before the hub gives the data set away."""
    columns: EvalColumns = field(default_factory=EvalColumns)
    """Which column holds what."""
    keep: dict[str, str] = field(default_factory=dict)
    """Only rows with these values are problems of the bench; a column that the data does not have keeps all."""
    rows: Count | None = None
    """Expected number of problems; another number is an error."""
    copy_rows: Count | None = None
    """Number of problems in the local copies that are about, where it is another."""
    prompt: str = "{problem}"
    """What the model is asked: `{problem}`, and for programs `{tests}` (asserts) and `{form}` (what to write)."""
    grade: Grading = field(default_factory=Grading)
    """How answers are compared."""
    k: Count = 1
    """Samples a problem."""
    sampling: Sampling = field(default_factory=Sampling)
    """How answers are sampled."""
