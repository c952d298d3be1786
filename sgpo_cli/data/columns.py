"""The column mapping of recipes and eval cards as one thing, and its check against what a row really holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.evalcard import EvalColumns
from sgpo_cli.recipe.schema import Columns


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of the source holds what; None is not read."""

    problem: str
    answer: str | None
    solution: str | None
    difficulty: str | None
    id: str | None
    aliases: str | None
    lists: bool = False
    """Whether an answer may be a list of answers (OlympiadBench's `final_answer`), then joined by commas."""

    @property
    def named(self) -> frozenset[str]:
        fields = (self.problem, self.answer, self.solution, self.difficulty, self.id, self.aliases)
        return frozenset(column for column in fields if column is not None)

    def whole(self, values: Mapping[str, Any]) -> bool:
        """Whether a row has every named column."""
        return self.named <= values.keys()

    def missing(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> UserError:
        """Of rows, some of which are not whole, what to say: the first such row and column, whether any row has that
        column, and the nearest name among the columns there."""
        name, first, lacking, count = "", "", 0, 0
        own: list[str] = []
        union: dict[str, None] = {}
        for place, values in rows:
            count += 1
            union |= dict.fromkeys(values)
            if not name and not self.whole(values):
                name = min(self.named - values.keys())
                first, own = self.place(values, place), list(values)
            lacking += bool(name) and name not in values
        fix = "name the right one under `columns:`, or null for what the data does not have"
        if lacking == count:
            of = f" in any of the {count:,} rows" if count > 1 else ""
            return UserError(f"there is no column {name!r}{of}; {_near(name, list(union))}", where=first, fix=fix)
        others = f", which {count - 1:,} others have"
        if lacking > 1:
            others = f", nor have {lacking - 1:,} more of {count:,} rows"
        return UserError(
            f"this row has no column {name!r}{others}; {_near(name, own)}",
            where=first,
            fix=f"fill it in (null where it is not known), or drop such rows; {fix}",
        )

    def place(self, values: Mapping[str, Any], place: str) -> str:
        """`place` with the row's id, where the data has ids and this row has one."""
        found = values.get(self.id) if self.id is not None else None
        return place if found is None else f"{place} (id {found})"


def _near(name: str, columns: list[str]) -> str:
    near = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}columns here: {', '.join(columns) or 'none'}"


def column_map(columns: Columns | EvalColumns) -> ColumnMap:
    if isinstance(columns, Columns):
        return ColumnMap(columns.problem, columns.answer, columns.solution, columns.difficulty, columns.id, None)
    return ColumnMap(columns.problem, columns.answer, None, None, columns.id, columns.aliases, lists=True)
