"""Scoring answers made elsewhere: `sgpo eval --bench NAME --responses FILE`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.bench import Bench, BenchRow
from sgpo_cli.evaluation.summary import Origin, Scored, summarise
from sgpo_cli.runs.files import to_json, write_json, write_text
from sgpo_cli.verify.grader import AnyGrader, AnyItem
from sgpo_cli.verify.outcome import GradeItem

Progress = Callable[[int, int], None]
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Answered:
    """One row of the input: the problem it answers, its own id, and the item to grade."""

    row: BenchRow
    input_id: str | None
    item: AnyItem


def score_responses(
    bench: Bench, responses: Path, out: Path, *, field: str = "response", grader: AnyGrader, on_progress: Progress
) -> dict[str, Any]:
    """Grades every row of the JSONL file `responses`, writes `out/samples.jsonl` (same order) and `out/summary.json`.

    A row has the response under `field`, and `id` or `problem`: it is joined to the bench by id, else by the problem's
    text with blanks squeezed. Its own `answer`, if any, wins over the bench's. Nothing is written when a row is wrong.
    Returns the summary. Raises `UserError` naming file and line: broken JSON, no response, unknown problem.
    """
    started = time.monotonic()
    problems = _Problems(bench)
    answered = [_answered(bench, problems, row, field, where) for where, row in read_file(responses)]
    if not answered:
        raise UserError("no responses in this file", where=str(responses))
    scored: list[Scored] = []
    seen: Counter[str] = Counter()
    for start in range(0, len(answered), _CHUNK):
        chunk = answered[start : start + _CHUNK]
        for one, grade in zip(chunk, grader.grade_many([one.item for one in chunk]), strict=True):
            scored.append(Scored(one.row.id, seen[one.row.id], one.item.response, grade, input_id=one.input_id))
            seen[one.row.id] += 1
        on_progress(len(scored), len(answered))
    summary = summarise(
        scored,
        bench=bench.name,
        kind=bench.kind,
        n_problems=len(bench.rows),
        k=max(seen.values()),
        origin=Origin(),
        seconds=time.monotonic() - started,
        notes=bench.notes,
    )
    write_text(out / "samples.jsonl", "".join(to_json(sample.row()) + "\n" for sample in scored))
    write_json(out / "summary.json", summary)
    return summary


class _Problems:
    """Finds the bench's problem that a row answers."""

    def __init__(self, bench: Bench) -> None:
        self._by_id = {row.id: row for row in bench.rows}
        self._by_text: dict[str, list[BenchRow]] = {}
        for row in bench.rows:
            self._by_text.setdefault(_squeeze(row.problem), []).append(row)

    def find(self, name: str | None, problem: str | None, where: str, bench: str) -> BenchRow:
        """By id, else by text. An id of one problem with the text of another is an error, as is neither known."""
        by_id = self._by_id.get(name) if name is not None else None
        by_text = self._by_text.get(_squeeze(problem), []) if problem is not None else []
        if by_id is not None:
            if by_text and by_id not in by_text:
                raise UserError(
                    f"id {name!r} is one problem of bench {bench}, its text another ({by_text[0].id!r})", where=where
                )
            return by_id
        if not by_text:
            given = f"id {name!r}" if name is not None else "no id"
            shown = f"problem {problem[:60]!r}" if problem is not None else "no problem"
            raise UserError(
                f"this row is not in bench {bench}: {given}, {shown}",
                where=where,
                fix="give the bench's id or the problem's text as the bench has it, or choose another --bench",
            )
        if len({(row.answer, row.aliases) for row in by_text}) > 1:
            raise UserError(f"bench {bench} has this problem twice with different answers: give the id", where=where)
        return by_text[0]


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _answered(bench: Bench, problems: _Problems, row: dict[str, Any], field: str, where: str) -> Answered:
    response = row.get(field)
    if not isinstance(response, str):
        found = f"it is {type(response).__name__}" if field in row else f"the row has: {', '.join(row)}"
        raise UserError(f"no text under {field!r}; {found}", where=where, fix="name the field: --response-field NAME")
    name = None if row.get("id") is None else str(row["id"])
    problem = None if row.get("problem") is None else str(row["problem"])
    found_row = problems.find(name, problem, where, bench.name)
    item = bench.item(found_row, response)
    # A row's own answer wins, but not where the bench's is a letter of its own shuffling, or tests.
    if row.get("answer") is not None and isinstance(item, GradeItem) and item.kind in ("math", "exact"):
        own = str(row["answer"])
        item = item if own == item.gold else replace(item, gold=own, aliases=())
    return Answered(found_row, name, item)
