"""Which column of a local JSONL file holds what, by its name and what stands in the first rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import Mistake, UserError
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


_FEW = 10
"""One value in so many, and always one, may be missing or odd in a column that is taken all the same."""

_Rows = Sequence[tuple[str, Mapping[str, Any]]]
"""(`file:line`, values) of the rows that are looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """The columns of a file, None where it has none of that kind; `tests`: whose tests its rows have; `rows`: how
    many there are; `odd`: values among the first that do not fit their column, with file and line."""

    problem: str
    answer: str | None
    solution: str | None
    difficulty: str | None
    id: str | None
    tests: Form | None
    rows: int
    odd: tuple[Mistake, ...] = ()


def look(path: Path, named: Mapping[str, str]) -> Found:
    """The columns of a file; `named` (what -> column) wins over what its names suggest.

    Raises:
        UserError: an empty or broken file, a named column that is not there, no column that holds problems.
    """
    rows = list(read_file(path, _LOOKED))
    if not rows:
        raise UserError("there are no rows", where=str(path), fix="a JSON object a line, with a problem and an answer")
    there = list(dict.fromkeys(name for _, values in rows for name in values))
    told: dict[str, str | None] = {what: _column(what, rows, there) for what in _NAMES}
    for what, column in named.items():
        if column not in there:
            raise UserError(
                f"--columns {what}={column}: no such column",
                where=str(path),
                fix=did_you_mean(column, there, "columns"),
            )
        told[what] = column
    if (problem := told["problem"]) is None:
        raise _none_fits("problem", rows, there, path, "--columns problem=COLUMN")
    found = Found(
        problem=problem,
        answer=told["answer"],
        solution=told["solution"],
        difficulty=told["difficulty"],
        id=told["id"],
        tests=form_of(rows[0][1]),
        rows=sum(1 for _ in read_file(path)),
    )
    found = _checked(found, rows, there, path)
    return replace(found, odd=tuple(_odd(found, rows)))


def _checked(found: Found, rows: _Rows, there: Sequence[str], path: Path) -> Found:
    if found.tests is not None:
        return replace(found, answer=None if found.answer == found.solution else found.answer)
    if found.answer is None:
        more = " (a whole solution is fine, its final answer is taken out)"
        raise _none_fits("answer", rows, there, path, f"--columns answer=COLUMN{more}")
    if found.solution is None and any(_MARK in str(values.get(found.answer)) for _, values in rows):
        return replace(found, solution=found.answer)
    return found


def _none_fits(what: str, rows: _Rows, there: Sequence[str], path: Path, option: str) -> UserError:
    """Which columns there are; where one has the right name, which of its values are in the way."""
    told = f"no column looks like the {what}; there are {', '.join(there)}"
    if (name := next((name for name in _NAMES[what] if name in there), None)) is not None:
        wrong = _misfits(what, name, rows)
        count = f"{len(wrong)} of the first {len(rows)} values" if len(rows) > 1 else "the value"
        told = f"column {name} looks like the {what}, but {count} {_is(what, len(wrong))}: {_first(wrong)}"
    return UserError(told, where=str(path), fix=f"name it: {option}; or mend the file")


def _odd(found: Found, rows: _Rows) -> Iterator[Mistake]:
    """Values of the columns that are taken which a run will stumble on, or leave out."""
    for what in _LENIENT:
        name = getattr(found, what)
        wrong = _misfits(what, name, rows) if name is not None else []
        if wrong:
            count = f"{len(wrong)} values of column {name}" if len(wrong) > 1 else f"a value of column {name}"
            fix = "such rows get no guidance" if what == "solution" else "fill it in, or take the row out"
            known = "" if what == name else f", the {what},"
            yield Mistake(f"{count}{known} {_is(what, len(wrong))}", where=_first(wrong), fix=fix)


def _is(what: str, count: int) -> str:
    kind = "text or a number" if what == "answer" else "text"
    return f"{'is' if count == 1 else 'are'} empty or not {kind}"


def _first(places: Sequence[str]) -> str:
    first, *more = places
    return f"{first}, {', '.join(place.rpartition(':')[2] for place in more[:2])}" if more else first


def _column(what: str, rows: _Rows, there: Sequence[str]) -> str | None:
    """The likeliest column by name whose values fit; a few that do not are no reason to deny one that is read."""
    bound = min(max(1, len(rows) // _FEW), (len(rows) - 1) // 2) if what in _LENIENT else 0
    fits = (name for name in _NAMES[what] if name in there and len(_misfits(what, name, rows)) <= bound)
    return next(fits, None)


def _misfits(what: str, name: str, rows: _Rows) -> list[str]:
    """Places of the values that are not what the column is for."""
    values = [row.get(name) for _, row in rows]
    if what == "id" and len(set(map(str, values))) < len(values):
        return [place for place, _ in rows]
    return [place for (place, _), value in zip(rows, values, strict=True) if not _FITS[what](value)]


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _short(value: Any) -> bool:
    return isinstance(value, str | int | float) and bool(str(value).strip())


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Any) -> bool:
    return isinstance(value, str | int)


_FITS = {"problem": _text, "answer": _short, "solution": _text, "difficulty": _number, "id": _name}
_LENIENT = ("problem", "answer", "solution")
"""What a run reads row by row, naming a row that it cannot use: one broken row does not make another column of it."""
