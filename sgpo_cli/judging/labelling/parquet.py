"""Rows from tables: a parquet file, read piece by piece, and what every source of Arrow tables has in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.items import Item, Row, read_item

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1024


class Parquet:
    """A parquet file. Its rows are checked as they come: a column of the wrong type shows before, a bad row does not.

    Memory holds a piece of one row group, however large the file and its row groups are.
    """

    def __init__(self, path: Path, columns: LabelColumns | None = None) -> None:
        self.path = path
        self.name = str(path)
        self.columns = columns or LabelColumns()
        self.identity = ""
        self.schema: pa.Schema | None = None
        self._count = 0

    def check(self) -> int:
        if self.identity:
            return self._count
        with self._open() as file:
            self.schema = file.schema_arrow
            count = int(file.metadata.num_rows)
        check_schema(self.schema, self.columns, self.name)
        if not count:
            raise UserError(f"{self.path} has no rows")
        self.identity, self._count = digest_of([self.path]), count
        return count

    def items(self, start: int = 0, step: int = 1) -> Iterator[Item]:
        with self._open() as file:
            groups, at = list(range(file.metadata.num_row_groups)), 0
            while groups and at + file.metadata.row_group(groups[0]).num_rows <= start:
                at += file.metadata.row_group(groups.pop(0)).num_rows
            tables = file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, use_threads=False)
            for index, row in picked(_readable(tables, self.name), start, step, at=at):
                yield read_item(row, f"{self.path} row {index}", self.columns)

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Buffered, not pre-buffered: pages are read as they are needed, not a row group's columns at once.
            return pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 18)
        except FileNotFoundError:
            raise UserError(f"no such file: {self.path}") from None
        except (OSError, pa.ArrowInvalid) as problem:
            raise UserError(f"cannot read it as parquet: {_first_line(problem)}", where=str(self.path)) from None


def _readable(tables: Iterable[Any], name: str) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from tables
    except (OSError, pa.ArrowInvalid) as problem:
        raise UserError(f"cannot read it as parquet: {_first_line(problem)}", where=name) from None


def picked(tables: Iterable[Any], start: int, step: int, *, at: int = 0) -> Iterator[tuple[int, Row]]:
    """(index, values) of the rows start, start + step, ...; `at`: the index of the first row of `tables`."""
    for table in tables:
        first = start - at if start >= at else (start - at) % step
        if first < table.num_rows:
            wanted = range(first, table.num_rows, step)
            part = table.slice(first) if step == 1 else table.take(list(wanted))
            try:
                rows = part.to_pylist()
            except UnicodeDecodeError:
                raise UserError(f"not UTF-8 text, in one of the rows {at} to {at + table.num_rows - 1}") from None
            yield from ((at + offset, row) for offset, row in zip(wanted, rows, strict=True))
        at += table.num_rows


def check_schema(schema: pa.Schema, columns: LabelColumns, where: str) -> None:
    """`UserError` for columns that are missing, and for types that a JSON line cannot carry unchanged."""
    columns.check(schema.names, where)
    if columns.problem not in schema.names or not {columns.steps, columns.response} & set(schema.names):
        raise UserError(
            f"it needs a column {columns.problem!r}, and {columns.steps or '-'!r} or {columns.response or '-'!r}",
            where=where,
            fix=f"name yours with --columns problem=NAME,steps=NAME; columns here: {', '.join(schema.names)}",
        )
    for field in schema:
        if not _plain(field.type):
            raise UserError(
                f"column {field.name!r} holds {field.type}, which JSON lines cannot carry unchanged",
                where=where,
                fix="turn it into text or numbers first, or drop the column",
            )


def _plain(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _plain(kind.value_type)
    if types.is_struct(kind):
        return all(_plain(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    plain = (types.is_null, types.is_boolean, types.is_integer, types.is_floating)
    return any(is_it(kind) for is_it in (*plain, types.is_string, types.is_large_string, types.is_string_view))


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over files, each with its name and length, in the order given; a single file is just its bytes."""
    files = list(paths)
    digest = hashlib.sha256()
    for path in files:
        if len(files) > 1:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
