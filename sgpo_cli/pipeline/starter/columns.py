"""Which column of a local JSONL file holds what, by its name and what stands in the first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.words import did_you_mean
from sgpo_cli.verify.code.task import Form, form_of

_LOOKED = 50
# Names that data sets of the field use, the likeliest first.
_NAMES = {
    "problem": ("problem", "question", "prompt", "problem_statement", "query", "instruction", "input", "text"),
    "answer": ("answer", "final_answer", "gold", "ground_truth", "target", "label", "expected_answer", "solution"),
    "solution": ("solution", "reference_solution", "rationale", "reasoning", "generations", "trace", "cot", "response"),
    "difficulty": ("difficulty", "level"),
    "id": ("id", "unique_id", "uuid", "problem_id", "task_id", "idx"),
}
_MARK = "####"
"""GSM8K's answers are whole solutions, with the final answer behind this mark."""


@dataclass(frozen=True, slots=True)
class Found:
    """The columns of a file, None where it has none of that kind; `tests`: whose tests its rows have; `rows`: how
    many there are."""

    problem: str
    answer: str | None
    solution: str | None
    difficulty: str | None
    id: str | None
    tests: Form | None
    rows: int


def look(path: Path, named: Mapping[str, str]) -> Found:
    """The columns of a file; `named` (what -> column) wins over what its names suggest.

    Raises:
        UserError: an empty or broken file, a named column that is not there, no column that holds problems.
    """
    rows = [values for _, values in read_file(path, _LOOKED)]
    if not rows:
        raise UserError("there are no rows", where=str(path), fix="a JSON object a line, with a problem and an answer")
    told: dict[str, str | None] = {what: _column(what, rows, names) for what, names in _NAMES.items()}
    for what, column in named.items():
        if column not in rows[0]:
            raise UserError(
                f"--columns {what}={column}: no such column",
                where=str(path),
                fix=did_you_mean(column, list(rows[0]), "columns"),
            )
        told[what] = column
    problem = told.pop("problem")
    if problem is None:
        raise UserError(
            f"no column looks like the problem; there are {', '.join(rows[0])}",
            where=str(path),
            fix="name it: --columns problem=COLUMN",
        )
    tests = form_of(rows[0])
    found = Found(problem=problem, **told, tests=tests, rows=sum(1 for _ in read_file(path)))
    return _checked(found, rows, path)


def _checked(found: Found, rows: Sequence[Mapping[str, Any]], path: Path) -> Found:
    if found.tests is not None:
        return replace(found, answer=None if found.answer == found.solution else found.answer)
    if found.answer is None:
        raise UserError(
            f"no column looks like the answer; there are {', '.join(rows[0])}",
            where=str(path),
            fix="name it: --columns answer=COLUMN (a whole solution is fine, its final answer is taken out)",
        )
    if found.solution is None and _MARK in str(rows[0].get(found.answer)):
        return replace(found, solution=found.answer)
    return found


def _column(what: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str | None:
    fits = {"difficulty": _number, "id": _unique, "problem": _text, "solution": _text, "answer": _short}[what]
    return next((name for name in names if name in rows[0] and fits([row.get(name) for row in rows])), None)


def _text(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value.strip() for value in values)


def _short(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str | int | float) and str(value).strip() for value in values)


def _number(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _unique(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str | int) for value in values) and len(set(values)) == len(values)
