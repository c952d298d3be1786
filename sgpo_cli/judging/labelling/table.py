"""Labelled rows as Arrow tables: which type each column has, and that every row fits it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.items import OURS, Row

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 4096
_OTHERWISE = "write JSON lines: --out NAME.jsonl"


def infer_schema(rows: Iterable[Row], where: str) -> pa.Schema:
    """The columns of rows that came as JSON. `UserError` names a column whose values are of several kinds.

    Reads all rows, a piece at a time: a column may be null for a million rows and a text then. Whole numbers in a
    column that has fractions too become fractions; an object has the keys of all objects in its column.
    """
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {}
    left, at = iter(rows), 0
    while part := list(islice(left, ROWS_AT_ONCE)):
        for name in dict.fromkeys(name for row in part for name in row):
            try:
                found = pa.array([row.get(name) for row in part]).type
                kinds[name] = _common(kinds.get(name, pa.null()), found)
            except (pa.ArrowException, OverflowError) as problem:
                what = f"column {name!r} cannot be a column of a table: {_first_line(problem)}"
                place = f"{where}, rows {at + 1} to {at + len(part)}"
                raise UserError(what, where=place, fix=_OTHERWISE) from None
        at += len(part)
    for name, kind in kinds.items():
        if _has_empty_object(kind):
            what = f"column {name!r} holds empty objects, which a column of a table cannot"
            raise UserError(what, where=where, fix=_OTHERWISE)
    return pa.schema(list(kinds.items()))


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    schemas = [pa.schema([("column", kind)]) for kind in (one, other)]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _has_empty_object(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_empty_object(kind.field(i).type) for i in range(kind.num_fields))
    return types.is_list(kind) and _has_empty_object(kind.value_type)


def inferred_schema(rows: Iterable[Row], where: str) -> pa.Schema:
    """The columns of labelled rows that came as JSON."""
    import pyarrow as pa

    schema = infer_schema(rows, where)
    for name, kind in _ours().items():  # fixed, whatever these rows hold: no step at all, no abstention
        schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    return schema


def labelled_schema(before: pa.Schema, columns: LabelColumns) -> pa.Schema:
    """The input's columns and those that labelling adds; the types of the others stay as they are."""
    import pyarrow as pa

    after = before
    for name, ours in _ours().items():
        at = before.get_field_index(name)
        if at < 0:
            after = after.append(pa.field(name, ours))
        elif name == "verdict" or columns.steps != "steps":
            after = after.set(at, pa.field(name, ours)).append(before.field(at).with_name(f"{name}_before"))
        elif pa.types.is_null(before.field(at).type):
            after = after.set(at, pa.field(name, ours))
    return _with_features(before, after)


def _with_features(before: pa.Schema, after: pa.Schema) -> pa.Schema:
    """`datasets` writes its features (names of classes, say) into a schema: they stay, for the columns they are of."""
    if b"huggingface" not in (before.metadata or {}):
        return after
    from datasets import Features

    known = Features.from_arrow_schema(before)
    plain = Features.from_arrow_schema(after.remove_metadata())
    same = {field.name for field in after if field.name in before.names and field.type == before.field(field.name).type}
    return Features({name: known[name] if name in same else feature for name, feature in plain.items()}).arrow_schema


def _ours() -> dict[str, pa.DataType]:
    """The types of the fields that a labelled row gains; the second is Verdict.to_json()."""
    import pyarrow as pa

    whole, text = pa.int64(), pa.string()
    numbers = [("first_error", whole), ("num_steps", whole), ("prefix_score", pa.float64()), ("checked", whole)]
    verdict = pa.struct([*numbers, ("abstained", pa.bool_()), ("reason", text), ("judge", text)])
    return dict(zip(OURS, (pa.list_(text), verdict), strict=True))


def stepwise_schema() -> pa.Schema:
    import pyarrow as pa

    texts = pa.list_(pa.string())
    return pa.schema([("prompt", pa.string()), ("completions", texts), ("labels", pa.list_(pa.bool_()))])


def table_of(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """`UserError` when a value does not fit its column."""
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowException, OverflowError, TypeError) as problem:
        raise UserError(f"a value does not fit its column: {_first_line(problem)}", fix=_OTHERWISE) from None


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
