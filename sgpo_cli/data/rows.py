"""Problems and traces as rows, from a JSONL file, a folder saved by `datasets`, or a hub id.

Whatever a source calls its columns, the rest of the product reads `Row`. Reading JSONL imports nothing heavy; the other
sources import `datasets` when they are used.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sgpo_cli.data.columns import ColumnMap, column_map
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.evalcard import EvalColumns
from sgpo_cli.recipe.schema import Columns, Data


@dataclass(frozen=True, slots=True)
class Row:
    """One problem. `extra` holds what no column mapping names, and `aliases` when they are mapped."""

    id: str
    problem: str
    answer: str | None = None
    solution: str | None = None
    difficulty: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    place: str = field(default="", compare=False, repr=False)
    """Where it was read, `FILE:LINE` or `SOURCE row N`; empty for rows that no source holds."""

    @property
    def where(self) -> str:
        """Its place and id, as errors name it."""
        return f"{self.place} (id {self.id})" if self.place else f"row {self.id!r}"


def load_rows(
    source: str | Path,
    *,
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
    columns: Columns | EvalColumns | None = None,
    limit: int | None = None,
) -> list[Row]:
    """The rows of a source, in its order.

    Args:
        source: a `.jsonl` (or `.json` lines) file, a folder written by `save_to_disk` or holding parquet/jsonl
            files, or a hub id. A path that exists always wins over a hub id.
        split, config, revision: of a folder or hub data set; a single JSONL file has no splits.
        columns: which column holds what; null reads `problem`, `answer`.
        limit: only the first so many rows.

    Raises:
        UserError: nothing there, nothing in it, a broken line (`file:line`), a missing column (those there are
            named), a row without a problem or with one that is no text (its place is named), or a hub that cannot be
            reached.
    """
    mapping = column_map(columns or Columns())
    path = Path(source)

    def records() -> Iterator[Record]:
        if path.is_file():
            from sgpo_cli.data.jsonl import read_file

            return read_file(path, limit)
        from sgpo_cli.data.hub import read_dataset

        return read_dataset(str(source), split=split, config=config, revision=revision, limit=limit)

    rows: list[Row] = []
    for number, (place, values) in enumerate(records()):
        if not mapping.whole(values):
            raise mapping.missing(_readable(records()))
        rows.append(_row(values, mapping, place, number))
    if not rows:
        raise UserError("there are no rows", where=str(source), fix="the data must hold at least one problem")
    _refuse_doubles(rows, mapping)
    return rows


Record = tuple[str, dict[str, Any]]
"""A row as it was read, behind its place."""


def _readable(records: Iterator[Record]) -> Iterator[Record]:
    """The rows up to the first that cannot be read: enough to tell one row's mistake from all rows'."""
    try:
        yield from records
    except UserError:
        return


def _row(values: Mapping[str, Any], mapping: ColumnMap, place: str, number: int) -> Row:
    where = mapping.place(values, place)
    name = _text(values, mapping.id, where) or str(number)
    problem = _text(values, mapping.problem, where)
    if problem is None or not problem.strip():
        raise UserError(f"this row has no problem: column {mapping.problem!r} is empty", where=where)
    extra = {key: value for key, value in values.items() if key not in mapping.named}
    if mapping.aliases is not None:
        extra["aliases"] = _aliases(values.get(mapping.aliases), mapping.aliases, where)
    return Row(
        id=name,
        problem=problem,
        answer=_text(values, mapping.answer, where),
        solution=_prose(values, mapping.solution, where),
        difficulty=_number(values, mapping.difficulty, where),
        extra=extra,
        place=place,
    )


def _prose(values: Mapping[str, Any], column: str | None, where: str) -> str | None:
    """A cell that must be text or null: what is printed of a number or a list is no solution."""
    value = values.get(column) if column is not None else None
    if value is None or isinstance(value, str):
        return value
    fix = "join its steps into one text, a line each" if isinstance(value, Sequence) else "write it in quotes"
    raise UserError(f"column {column!r} must hold text, this row has {_short(value)}", where=where, fix=fix)


def _text(values: Mapping[str, Any], column: str | None, where: str) -> str | None:
    """A cell as text: numbers are printed (`033` stays text, 33.0 prints as 33), null stays null."""
    value = values.get(column) if column is not None else None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Sequence | Mapping):
        raise UserError(f"column {column!r} must hold text or a number, this row has {_short(value)}", where=where)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(values: Mapping[str, Any], column: str | None, where: str) -> float | None:
    value = values.get(column) if column is not None else None
    if value is None:
        return None
    if isinstance(value, bool):
        raise UserError(f"column {column!r} must hold numbers, this row has {value!r}", where=where)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"column {column!r} must hold numbers, this row has {value!r}", where=where) from None
    if not math.isfinite(number):
        raise UserError(f"column {column!r} must hold finite numbers, this row has {value!r}", where=where)
    return number


def _aliases(value: Any, column: str, where: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(item) for item in value]
    raise UserError(f"column {column!r} must hold lists of other right answers, this row has {value!r}", where=where)


def _short(value: Any) -> str:
    """A value as a message shows it, cut to one short line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_doubles(rows: Sequence[Row], mapping: ColumnMap) -> None:
    """Ids join files (responses, samples, verdicts): two rows of one id would be taken for each other."""
    seen: dict[str, Row] = {}
    for row in rows:
        other = seen.setdefault(row.id, row)
        if other is not row:
            what = f"two rows have the id {row.id!r} (column {mapping.id!r}): the other is {other.place}"
            raise UserError(what, where=row.place)


HELDOUT_SEED = 0
"""Which rows are held out does not depend on a recipe's seed: runs compare on the same problems, and recipes of
different seeds may share a warm-up without having learned one another's held-out rows.
"""


def split_heldout(rows: Sequence[Row], n: int, seed: int = HELDOUT_SEED) -> tuple[list[Row], list[Row]]:
    """(train, held-out): `n` rows drawn by `seed` are set aside, both parts in the source's order.

    Rows whose problem text is also held out leave the training part with them: a problem that stands twice in the
    source must not be trained on and measured. `UserError` when nothing would be left to train on.
    """
    if n == 0:
        return list(rows), []
    texts = list(dict.fromkeys(row.problem.strip() for row in rows))
    if n >= len(texts):
        only = "is only 1" if len(texts) == 1 else f"are only {len(texts)} different ones"
        raise UserError(
            f"data.heldout sets {n} problem{'s' * (n != 1)} aside, but there {only}",
            fix="lower data.heldout, or bring more data",
        )
    aside = set(random.Random(f"heldout {seed}").sample(texts, n))
    heldout: dict[str, Row] = {}
    train: list[Row] = []
    for row in rows:
        text = row.problem.strip()
        if text in aside:
            heldout.setdefault(text, row)
        else:
            train.append(row)
    return train, list(heldout.values())


Lengths = Callable[[Sequence[Row]], Sequence[int]]
"""How many tokens the prompt of each row has; whoever has a tokenizer makes one (training/long_problems.py)."""


def load_data(data: Data, lengths: Lengths | None = None) -> tuple[list[Row], list[Row]]:
    """A recipe's rows of a file, folder or hub id: to train on, and held out. Raises as `load_rows` does.

    With `lengths`, rows longer than `data.max_problem_tokens` are in neither part. Without, they are there: a caller
    that cannot count tokens must not train on what it gets.
    """
    kept, _ = without_long(load_source(data), data.max_problem_tokens, lengths)
    return split_heldout(kept, data.heldout)


def load_source(data: Data) -> list[Row]:
    """All rows of a recipe's file, folder or hub id."""
    return load_rows(
        data.source,
        split=data.split,
        config=data.config,
        revision=data.revision,
        columns=data.columns,
        limit=data.limit,
    )


def without_long(rows: Sequence[Row], most: int | None, lengths: Lengths | None) -> tuple[list[Row], list[Row]]:
    """The rows whose prompt has at most `most` tokens, and the others; all and none when either is not given.

    Raises:
        UserError: every row is longer.
    """
    if most is None or lengths is None or not rows:
        return list(rows), []
    counted = lengths(rows)
    kept = [row for row, count in zip(rows, counted, strict=True) if count <= most]
    if not kept:
        raise UserError(
            f"data.max_problem_tokens {most:,} leaves out every row: the shortest prompt has {min(counted):,} tokens",
            fix="raise it; data.prompt and chat messages count as well",
        )
    return kept, [row for row, count in zip(rows, counted, strict=True) if count > most]
