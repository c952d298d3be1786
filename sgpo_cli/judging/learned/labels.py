"""Files of labelled steps: read, checked as a whole, and split into what is learned and what is set aside."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import UserError
from sgpo_cli.judging.learned.formats import FORMATS, OURS, Labelled, Nothing, Record, format_of
from sgpo_cli.recipe.words import counted

_PARTS = 1000


@dataclass(slots=True)
class Labels:
    """The labelled responses of a source; `left_out` counts rows that teach nothing, by reason; `note` says which of
    two labels was read."""

    rows: list[Labelled] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    note: str | None = None

    @property
    def any_right(self) -> bool:
        """Whether any step is known to be right; responses may all be wrong in the end, as a weak policy's are."""
        return any(row.first_error != 0 for row in self.rows)

    @property
    def wrong(self) -> int:
        """Responses with a wrong step."""
        return sum(row.first_error >= 0 for row in self.rows)


def read_labels(path: Path, schema: str = "auto") -> Labels:
    """The labelled responses of a JSON-lines file.

    Raises:
        UserError: a line that is not JSON, a row of no schema or of another one than the first row's, labels that do
            not match the steps or are out of range, two labels that say different things, each with file and line.
    """
    records = read_file(path)
    first = next(records, None)
    if first is None:
        raise UserError(f"{path} has no rows", fix="it takes one labelled response a line (docs/judges.md)")
    wanted = schema if schema != "auto" else format_of(first[1])
    if wanted is None:
        columns = ", ".join(list(first[1])[:8]) or "none"
        kinds = "; ".join(f"{name}: {', '.join(kind.marks)}" for name, kind in FORMATS.items())
        raise UserError(f"no schema of labelled steps has these columns: {columns}", where=first[0], fix=kinds)
    found = Labels()
    if schema == "auto" and wanted == "processbench" and "verdict" in first[1]:
        found.note = "label is learned from, verdict is not read (judge.train.format=sgpo does the opposite)"
    for where, row in _chain(first, records):
        if schema == "auto":
            _refuse_two_labels(row, where)
        for one in _read(row, where, wanted, first[0]):
            if isinstance(one, Nothing):
                found.left_out[one.why] += 1
            else:
                found.rows.append(one)
    return found


def _chain(first: tuple[str, Record], rest: Iterable[tuple[str, Record]]) -> Iterator[tuple[str, Record]]:
    yield first
    yield from rest


def _read(row: Record, where: str, wanted: str, first: str) -> Iterator[Labelled | Nothing]:
    kind = FORMATS[wanted]
    lacking = [mark for mark in kind.marks if mark not in row]
    other = format_of(row)
    if lacking or (other != wanted and other is not None and not _both(wanted, other, row)):
        told = f"this row is of schema {other}" if other else f"this row has no {' and no '.join(lacking)}"
        raise UserError(
            f"{told}, and the file is read as {wanted} (as line {first.rpartition(':')[2]} is)",
            where=where,
            fix="one schema a file: take the others apart; judge.train.format names the one to read",
        )
    yield from kind.read(row, where)


def _both(wanted: str, other: str, row: Record) -> bool:
    """A ProcessBench row that `sgpo judge` labelled has the columns of both."""
    return {wanted, other} == {"sgpo", "processbench"} and (wanted == "processbench" or bool(OURS & row.keys()))


def _refuse_two_labels(row: Record, where: str) -> None:
    label, ours = row.get("label"), row.get("first_error")
    if isinstance(label, int) and ours is not None and ours != label:
        fix = "judge.train.format=processbench reads label, judge.train.format=sgpo first_error"
        raise UserError(f"label is {label!r} and first_error is {ours!r}: which is the truth?", where=where, fix=fix)


def refuse_too_few(labels: Labels, *, least: int, where: str, held: int = 0) -> None:
    """`UserError` when there is not enough to learn from: fewer than `least` responses, or steps of one kind
    only (those behind a first wrong one teach nothing). `held`: responses that were set aside."""
    known, wrong = len(labels.rows), labels.wrong
    aside = f"{held} more are held out, to measure it on" if held else ""
    left = f"left out: {counted(labels.left_out)}" if labels.left_out else ""
    tail = f" ({'; '.join(filter(None, (aside, left)))})" if aside or left else ""
    if known < least:
        what = f"{known} labelled responses are too few to train a judge: judge.train.least is {least}{tail}"
        heldout = ", or judge.train.heldout" if held else ""
        raise UserError(what, where=where, fix=f"label more, or lower judge.train.least{heldout}")
    if wrong == 0 or not labels.any_right:
        what = f"{'every first' if wrong else 'no'} step of {known} labelled responses is wrong{tail}"
        raise UserError(what, where=where, fix="a judge learns from right steps and from wrong ones")


def set_aside(rows: Iterable[Labelled], share: float) -> tuple[list[Labelled], list[Labelled]]:
    """(to learn from, held out): a problem's own hash decides, so that all responses to it fall on one side, and the
    same problem on the same side in every file and run."""
    learn: list[Labelled] = []
    held: list[Labelled] = []
    for row in rows:
        (held if _part(row.problem) < share * _PARTS else learn).append(row)
    return learn, held


def divide(labels: Labels, *, share: float, least: int, where: str) -> tuple[list[Labelled], list[Labelled]]:
    """(to learn from, held out), after all that can be wrong with the labels as a whole was looked at.

    Raises:
        UserError: too few labels, of one kind only, or none held out though a `share` should be.
    """
    learn, held = set_aside(labels.rows, share)
    refuse_too_few(Labels(learn, labels.left_out), least=least, where=where, held=len(held))
    if share > 0 and not held:
        what = f"no problem of {len({row.problem for row in learn})} was set aside to measure the judge on"
        raise UserError(what, where=where, fix="label more problems, or raise judge.train.heldout")
    return learn, held


def _part(problem: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"judge {problem}".encode(), digest_size=4).digest()) % _PARTS
