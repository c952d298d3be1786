"""A bench: an eval card with its problems loaded and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.data.rows import Row, load_rows
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.evalcard import EvalCard, EvalColumns, Sampling
from sgpo_cli.verify.outcome import GradeItem, Kind


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One problem. `answer` may be a whole solution; grading takes the final answer out of it."""

    id: str
    problem: str
    answer: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """The problems and how they are asked and graded; `rows` in the data set's order, ids unique."""

    name: str
    rows: tuple[BenchRow, ...]
    kind: Kind
    marker: str
    prompt: str
    k: int
    sampling: Sampling

    def ask(self, row: BenchRow) -> str:
        """The user's turn for one problem (plain replacement: LaTeX is full of braces)."""
        return self.prompt.replace("{problem}", row.problem)

    def item(self, row: BenchRow, response: str) -> GradeItem:
        return GradeItem(response, row.answer, self.kind, row.aliases, self.marker)

    def first(self, limit: int) -> Bench:
        """The first `limit` problems only (smoke runs)."""
        return replace(self, rows=self.rows[:limit])


def load_bench(card: EvalCard, *, file: Path | None = None) -> Bench:
    """The bench of a card that names a hub data set or a file; `file` stands in for either.

    A stand-in may have the hub's columns or our own (`problem, answer`, and `id` if it is there). Problems of a
    built-in task come from data/ with the task's settings: hand them to `make_bench`.
    """
    source = str(file) if file is not None else card.file or card.hub
    if source is None:
        raise UserError(f"bench {card.name} has no data of its own", fix="its card must have `hub:` or `file:`")
    columns = card.columns if file is None else _columns(card.columns, file)
    rows = load_rows(source, split=card.split, config=card.config, revision=card.revision, columns=columns)
    return make_bench(card, rows, source=source)


def _columns(columns: EvalColumns, file: Path) -> EvalColumns:
    """The card's columns for a stand-in file, each replaced by our own name where the file has that instead."""
    if not file.is_file():
        return columns
    first = next(iter(read_file(file, 1)), None)
    there = set(first[1]) if first else set()
    if columns.problem in there and columns.answer in there and (columns.id is None or columns.id in there):
        return columns
    own = EvalColumns(id="id" if "id" in there else None, aliases="aliases" if "aliases" in there else None)
    return own if own.problem in there else columns


def make_bench(card: EvalCard, rows: Sequence[Row], *, source: str) -> Bench:
    """Checks the rows and makes the bench; `source` names where they came from, for the errors.

    Raises `UserError` for a row without an answer, an id that comes twice, or another number of rows than the card
    states.
    """
    if card.rows is not None and len(rows) != card.rows:
        raise UserError(
            f"bench {card.name} should have {card.rows} problems, found {len(rows)}",
            where=source,
            fix="check split and revision in the card, or set `rows` to what you expect",
        )
    if not rows:
        raise UserError(f"bench {card.name} has no problems", where=source)
    made: dict[str, BenchRow] = {}
    for place, row in enumerate(rows, start=1):
        if row.answer is None or not row.answer.strip():
            raise UserError(
                "a bench's problem needs an answer",
                where=f"{source}, row {place} (id {row.id})",
                fix="name its column in the card: `columns: {answer: ...}`",
            )
        if row.id in made:
            raise UserError(f"the id {row.id!r} comes twice", where=f"{source}, row {place}")
        made[row.id] = BenchRow(row.id, row.problem, row.answer, tuple(row.extra.get("aliases", ())))
    grade = card.grade
    return Bench(card.name, tuple(made.values()), grade.kind, grade.marker, card.prompt, card.k, card.sampling)
