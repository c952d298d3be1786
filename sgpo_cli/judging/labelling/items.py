"""The rows of a labelling job: checked with their places, turned into solutions, and put together with the verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
OURS = ("steps", "verdict")
"""The fields that a labelled row gains; what stood there before is kept under `steps_before`, `verdict_before`."""
_BEFORE = {name: f"{name}_before" for name in OURS}


class Origin(Protocol):
    """What rows are of."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def columns(self) -> LabelColumns: ...

    @property
    def schema(self) -> pa.Schema | None:
        """The columns and their types, where the input has such a thing; known after `check`."""
        ...


class Rows(Origin, Protocol):
    """Where rows come from; a kind of input a file (jsonl, parquet, hub)."""

    @property
    def identity(self) -> str:
        """What the rows are, by content; known after `check`."""
        ...

    def check(self) -> int | None:
        """How many rows there are, None when only reading all of them would tell.

        What can be found wrong at a moderate cost is found now. `UserError` with the place of what is.
        """
        ...

    def items(self, start: int = 0, step: int = 1) -> Iterator[Item]:
        """The rows of index start, start + step, ...; `UserError` with the place of one that cannot be judged."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A checked row, its solution as the judge sees it, and its label (never shown to the judge)."""

    row: Row
    solution: Solution
    label: int | None

    def labelled(self, verdict: Verdict) -> Row:
        """The row as it is written: the same fields, plus `steps` and `verdict`."""
        row = {**self.row, "steps": list(self.solution.steps), "verdict": verdict.to_json()}
        for name, before in _BEFORE.items():
            if name in self.row and not (name == "steps" and self.row[name] in (None, row[name])):
                row[before] = self.row[name]
        return row


def check_row(row: Row, where: str, columns: LabelColumns) -> None:
    """`UserError`, with the place, for a row that cannot be judged or whose label is none."""
    columns.check(row, where)
    problem = _get(row, columns.problem)
    if not isinstance(problem, str) or not problem.strip():
        fix = f'each row needs a text field "{columns.problem}" (or name yours: --columns problem=NAME)'
        raise UserError("this row has no problem", where=where, fix=fix)
    steps, response = _get(row, columns.steps), _get(row, columns.response)
    if steps is None and not isinstance(response, str):
        raise UserError(
            "this row has neither steps nor a response",
            where=where,
            fix='give it "steps" (a list of texts) or "response" (a text, to be split), '
            "or name yours: --columns steps=NAME",
        )
    if steps is not None and not (isinstance(steps, list) and all(isinstance(step, str) for step in steps)):
        instead = "to judge the response in its place: --columns steps=" if isinstance(response, str) else None
        raise UserError(f"{columns.steps} is not a list of texts", where=where, fix=instead)
    _check_label(_get(row, columns.first_error), steps, where, str(columns.first_error))
    for name, before in _BEFORE.items():
        # `verdict` is always written anew, `steps` only where the judge was shown other ones.
        if before in row and row.get(name) is not None and not (name == columns.steps == "steps"):
            what = f"this row has both {name} and {before}: there is no place to keep the {name} it came with"
            raise UserError(what, where=where, fix="rename one of the two in your file, or drop it")


def _check_label(label: object, steps: list[str] | None, where: str, name: str) -> None:
    if label is None:
        return
    if not isinstance(label, int) or isinstance(label, bool) or label < -1:
        raise UserError(
            f"{name} is {label!r}",
            where=where,
            fix="it is the 0-based index of the first wrong step, or -1; to read no labels: --columns first_error=",
        )
    if steps is not None and label >= len(steps):
        raise UserError(f"{name} is {label}, of {len(steps)} steps", where=where, fix="it counts from 0")


def read_item(row: Row, where: str, columns: LabelColumns) -> Item:
    """Checks a row and makes its solution; `steps` wins over `response`."""
    check_row(row, where, columns)
    steps, label = _get(row, columns.steps), _get(row, columns.first_error)
    solution = Solution(
        problem=str(row[columns.problem]),
        steps=tuple(steps) if steps is not None else tuple(split_steps(row[columns.response])),  # type: ignore[index]
        reference=_text(_get(row, columns.solution)),
        answer=_text(_get(row, columns.answer)),
    )
    return Item(row, solution, label)


def _get(row: Row, name: str | None) -> Any:
    return None if name is None else row.get(name)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
