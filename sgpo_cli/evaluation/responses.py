"""Scoring answers made elsewhere: `sgpo eval --bench NAME --responses FILE`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.bench import Bench, BenchRow
from sgpo_cli.evaluation.summary import Origin, Scored, engine_failed, summarise
from sgpo_cli.runs.files import to_json, write_json, write_text
from sgpo_cli.verify.grader import AnyGrader, AnyItem
from sgpo_cli.verify.outcome import GradeItem

Progress = Callable[[int, int], None]
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Answered:
    """One row of the input: the problem it answers, which sample of it, its own id, and the item to grade.

    `truncated`: None where the row does not say; `failed`: why there is no response. `own`: it is graded against the
    row's own `answer`, which is not written as the bench's.
    """

    row: BenchRow
    sample: int
    input_id: str | None
    item: AnyItem
    truncated: bool | None = None
    failed: str | None = None
    own: bool = False


def score_responses(
    bench: Bench, responses: Path, out: Path, *, field: str = "response", grader: AnyGrader, on_progress: Progress
) -> dict[str, Any]:
    """Grades every row of the JSONL file `responses`, writes `out/samples.jsonl` (same order) and `out/summary.json`.

    Nothing is written when a row is wrong. Returns the summary. Raises what `read_responses` raises.
    """
    started = time.monotonic()
    answered = read_responses(bench, responses, field=field)
    scored: list[Scored] = []
    for start in range(0, len(answered), _CHUNK):
        chunk = answered[start : start + _CHUNK]
        grades = iter(grader.grade_many([one.item for one in chunk if one.failed is None]))
        for one in chunk:
            grade = next(grades) if one.failed is None else engine_failed(one.failed)
            scored.append(Scored(one.row.id, one.sample, one.item.response, grade, one.truncated, one.input_id))
        on_progress(len(scored), len(answered))
    summary = summarise(
        scored,
        bench=bench.name,
        kind=bench.kind,
        n_problems=len(bench.rows),
        k=max(Counter(one.id for one in scored).values()),
        origin=Origin(),
        seconds=time.monotonic() - started,
        notes=(*bench.notes, *_notes(answered)),
    )
    write_text(out / "samples.jsonl", "".join(to_json(sample.row()) + "\n" for sample in scored))
    write_json(out / "summary.json", summary)
    return summary


def read_responses(bench: Bench, responses: Path, *, field: str = "response") -> list[Answered]:
    """The rows of the JSONL file `responses`, each joined to its problem: by id, else by the text, blanks squeezed.

    A row has the response under `field`, and `id` or `problem`. Its `answer`, if it has one, is what it is graded
    against, in the place of the bench's (but for letters of its own shuffling, and tests). If it has them, `sample`
    (a number), `truncated` (true or false) and `failed` (why there is no response: ungraded) are
    kept, as `--save-responses` writes them; rows without a number are further samples of their problem.

    Raises:
        UserError: broken JSON, no response, an unknown problem, one sample twice (each with file and line), no rows.
    """
    problems = _Problems(bench)
    rows = [(where, row, *_found(bench, problems, row, field, where)) for where, row in read_file(responses)]
    if not rows:
        raise UserError("no responses in this file", where=str(responses))
    numbers = _numbers([(where, row, found.id) for where, row, found, _ in rows])
    return [
        _answered(bench, row, found, response, sample)
        for (_, row, found, response), sample in zip(rows, numbers, strict=True)
    ]


def _numbers(rows: Sequence[tuple[str, Mapping[str, Any], str]]) -> list[int]:
    """Which sample of its problem each row is: as it says, the others by the lowest numbers that are free."""
    places: dict[tuple[str, int], str] = {}
    told = [_whole(row.get("sample")) for _, row, _ in rows]
    for (where, _, name), sample in zip(rows, told, strict=True):
        if sample is None:
            continue
        if (name, sample) in places:
            raise UserError(
                f"sample {sample} of problem {name!r} comes twice, first at {places[name, sample]}",
                where=where,
                fix="take one of them out; or leave `sample` out of the rows, and each is a sample of its own",
            )
        places[name, sample] = where
    free: dict[str, int] = {}
    found = []
    for (_, _, name), sample in zip(rows, told, strict=True):
        if sample is None:
            sample = next(n for n in count(free.get(name, 0)) if (name, n) not in places)
            free[name] = sample + 1
        found.append(sample)
    return found


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _notes(answered: Sequence[Answered]) -> list[str]:
    own = sum(one.own for one in answered)
    if not own:
        return []
    return [
        f"{own} of {len(answered)} rows are graded against an `answer` of their own that is not the bench's: if it is "
        "what a model answered, rename the field"
    ]


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


def _found(bench: Bench, problems: _Problems, row: dict[str, Any], field: str, where: str) -> tuple[BenchRow, str]:
    """The problem that a row answers, and its response."""
    response = row.get(field)
    if not isinstance(response, str):
        found = f"it is {type(response).__name__}" if field in row else f"the row has: {', '.join(row)}"
        raise UserError(f"no text under {field!r}; {found}", where=where, fix="name the field: --response-field NAME")
    problem = None if row.get("problem") is None else str(row["problem"])
    return problems.find(_id(row), problem, where, bench.name), response


def _id(row: Mapping[str, Any]) -> str | None:
    return None if row.get("id") is None else str(row["id"])


def _answered(bench: Bench, row: Mapping[str, Any], found: BenchRow, response: str, sample: int) -> Answered:
    item = bench.item(found, response)
    truncated, failed = row.get("truncated"), row.get("failed")
    gold = "" if row.get("answer") is None else str(row["answer"]).strip()
    own = False
    if isinstance(item, GradeItem) and item.kind in ("math", "exact") and gold not in ("", item.gold.strip()):
        own, item = True, replace(item, gold=gold, aliases=())
    return Answered(
        found,
        sample,
        _id(row),
        item,
        truncated if isinstance(truncated, bool) else None,
        # Only beside an empty response, as it is written here: elsewhere the word may mean anything.
        failed if isinstance(failed, str) and failed and not response else None,
        own,
    )
