"""The column mapping of recipes and eval cards as one thing, and its check against what a row really holds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
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

    @property
    def named(self) -> frozenset[str]:
        fields = (self.problem, self.answer, self.solution, self.difficulty, self.id, self.aliases)
        return frozenset(column for column in fields if column is not None)

    def check(self, values: Mapping[str, Any], place: str) -> None:
        """`UserError` naming the columns there and the nearest one, when a named column is missing."""
        for name in sorted(self.named - values.keys()):
            near = difflib.get_close_matches(name, list(values), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(
                f"there is no column {name!r}; {hint}columns here: {', '.join(values) or 'none'}",
                where=place,
                fix="name the right one under `columns:`, or null for what the data does not have",
            )


def column_map(columns: Columns | EvalColumns) -> ColumnMap:
    if isinstance(columns, Columns):
        return ColumnMap(columns.problem, columns.answer, columns.solution, columns.difficulty, columns.id, None)
    return ColumnMap(columns.problem, columns.answer, None, None, columns.id, columns.aliases)
