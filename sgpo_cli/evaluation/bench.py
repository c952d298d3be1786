"""A bench: an eval card with its problems loaded and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sgpo_cli.data.hub import HubUnreachable
from sgpo_cli.data.jsonl import read_file
from sgpo_cli.data.rows import Row, load_rows
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.bench_rows import BenchRow, asked, bench_row, without_contradictions
from sgpo_cli.recipe.evalcard import EvalCard, EvalColumns, Grading, Sampling
from sgpo_cli.recipe.find import installed_cards
from sgpo_cli.verify.code.outcome import Limits
from sgpo_cli.verify.grader import AnyItem
from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.programs import ProgramItem

_LIMITS = Limits()
_STAND_IN = (
    "check the name and the network; a local JSONL file can stand in: --file FILE (in a recipe: benchmarks.N.file)"
)
Kind = Literal["math", "exact", "choice", "code", "steps"]


@dataclass(frozen=True, slots=True)
class Bench:
    """The problems and how they are asked and graded; `rows` in the data set's order, ids unique. `notes`: what a
    reader of its figures should know of the data."""

    name: str
    rows: tuple[BenchRow, ...]
    kind: Kind
    marker: str
    prompt: str
    k: int
    sampling: Sampling
    limits: Limits = _LIMITS
    notes: tuple[str, ...] = ()

    def ask(self, row: BenchRow) -> str:
        """The user's turn for one problem."""
        return asked(self.prompt, row)

    def item(self, row: BenchRow, response: str) -> AnyItem:
        if self.kind == "code":
            assert row.task is not None
            return ProgramItem(response, row.task, self.limits)
        assert self.kind != "steps"
        return GradeItem(response, row.answer, self.kind, row.aliases, self.marker, row.several)

    def first(self, limit: int) -> Bench:
        """The first `limit` problems only (smoke runs)."""
        return replace(self, rows=self.rows[:limit])


def load_bench(card: EvalCard, *, file: Path | None = None) -> Bench:
    """The bench of a card that names a hub data set or a file; `file` stands in for either.

    A stand-in may have the hub's columns or our own (`problem, answer`, and `id` if it is there). Problems of a
    built-in task come from data/ with the task's settings: hand them to `make_bench`.
    """
    if file is not None and not file.is_file():
        raise UserError(f"no such file: {file}", fix="name a JSONL file with the bench's problems")
    source = str(file) if file is not None else card.file or card.hub
    if source is None:
        raise UserError(f"bench {card.name} has no data of its own", fix="its card must have `hub:` or `file:`")
    columns = card.columns if file is None else _columns(card.columns, file)
    try:
        rows = load_rows(source, split=card.split, config=card.config, revision=card.revision, columns=columns)
    except UserError as problem:
        if source != card.hub:
            raise
        if card.gated is not None:
            fix = f"{card.gated}; or --file FILE.jsonl with the same columns"
            raise UserError(f"{problem.what} (this data set is gated)", where=problem.where, fix=fix) from problem
        if isinstance(problem, HubUnreachable):
            raise UserError(problem.what, where=problem.where, fix=_STAND_IN) from problem
        raise
    rows = [row for row in rows if all(str(row.extra.get(name, value)) == value for name, value in card.keep.items())]
    return make_bench(card, rows, source=source, stand_in=file is not None)


def _columns(columns: EvalColumns, file: Path) -> EvalColumns:
    """The card's columns for a stand-in file, each replaced by our own name where the file has that instead."""
    first = next(iter(read_file(file, 1)), None)
    there = set(first[1]) if first else set()
    needed = [name for name in (columns.problem, columns.answer, columns.id) if name is not None]
    if all(name in there for name in needed):
        return columns
    answer = None if columns.answer is None else "answer"
    own = EvalColumns(id="id" if "id" in there else None, answer=answer, choices=columns.choices)
    return own if own.problem in there else columns


def make_bench(card: EvalCard, rows: Sequence[Row], *, source: str, stand_in: bool = False) -> Bench:
    """Checks the rows and makes the bench; `source` names where they came from, for the errors; `stand_in`: a file in
    the place of the card's own data.

    Raises `UserError` for a row without an answer, an id that comes twice, or another number of rows than the card
    states.
    """
    expected = [count for count in (card.rows, card.copy_rows) if count is not None]
    if expected and len(rows) not in expected:
        raise UserError(
            f"bench {card.name} should have {' or '.join(map(str, expected))} problems, found {len(rows)}",
            where=source,
            fix=_count_fix(card, len(rows), stand_in),
        )
    if not rows:
        raise UserError(f"bench {card.name} has no problems", where=source)
    if card.grade.kind == "steps":
        raise UserError(
            f"bench {card.name} measures judges, not models",
            fix=f"sgpo eval --bench {card.name} --judge NAME",
        )
    made: dict[str, BenchRow] = {}
    for place, row in enumerate(rows, start=1):
        where = row.where if row.place else f"{source}, row {place} (id {row.id})"
        if row.id in made:
            raise UserError(f"the id {row.id!r} comes twice", where=where)
        made[row.id] = bench_row(card, row, where)
    grade = card.grade
    problems = without_contradictions(list(made.values())) if grade.kind == "math" else list(made.values())
    return Bench(
        card.name,
        tuple(problems),
        grade.kind,
        grade.marker,
        card.prompt,
        card.k,
        card.sampling,
        _limits(grade),
        _notes(problems),
    )


def _count_fix(card: EvalCard, found: int, stand_in: bool) -> str:
    """What to type where the number of rows is not the card's: a shipped card is not to be written in."""
    shipped = installed_cards("evals") / f"{card.name}.yaml"
    if not shipped.is_file():
        return f"set `rows: {found}` in the card, or mend its data" + ("" if stand_in else ", split or revision")
    own = f"my_{card.name}.yaml"
    whole = "give the whole file (--limit N measures a part of it)" if stand_in else "check the data"
    return (
        f"{whole}; other problems make another bench, of a card of your own: cp {shipped} {own}, write `rows: {found}` "
        f"in it, then --bench ./{own}" + (" --file FILE" if stand_in else "")
    )


def _limits(grade: Grading) -> Limits:
    """Wall time is what ends a program that sleeps: three times its processor time."""
    seconds = grade.cpu_seconds
    return Limits(seconds, 3 * seconds, max(120.0, 12 * seconds), memory_mib=grade.memory_mib)


def _notes(rows: Sequence[BenchRow]) -> tuple[str, ...]:
    notes = []
    dropped = [row for row in rows if row.dropped]
    if dropped:
        notes.append(
            f"aliases of {len(dropped)} problems contradict the answer and are not used (first: {dropped[0].id})"
        )
    if any(row.task is not None and row.task.form == "livecodebench" and row.task.public for row in rows):
        notes.append("only public tests are in this data: figures are higher than LiveCodeBench's own")
    return tuple(notes)
