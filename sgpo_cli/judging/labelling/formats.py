"""The files in which labelled rows leave, by OUT's name: JSON lines, parquet, or a folder that `datasets` saves.

Each is written in pieces, so that memory does not grow with the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.hub import is_saved
from sgpo_cli.judging.labelling.items import Row
from sgpo_cli.judging.labelling.table import ROWS_AT_ONCE, table_of
from sgpo_cli.runs.files import clean, remove_tree, to_json, writing

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["jsonl", "parquet", "folder"]
_LINE_BREAKS = ("\u2028", "\u2029", "\x85")
_NOT_WRITTEN = {".csv", ".tsv", ".json", ".arrow", ".gz", ".zst", ".xlsx", ".txt", ".yaml"}


def format_of(out: str) -> Format:
    """`.parquet`: parquet; a trailing slash, or a saved data set that is there: a folder; anything else: JSON lines."""
    path = Path(out)
    if out.endswith("/") or is_saved(path):
        return "folder"
    if path.is_dir():
        fix = f"name a file (labels.jsonl, labels.parquet) or a new folder (--out {path / 'labels'}/)"
        raise UserError(f"--out {out} is a directory", fix=fix)
    if path.suffix.lower() in _NOT_WRITTEN:
        fix = "name it .jsonl or .parquet, or end it in / for a folder that `datasets` opens"
        raise UserError(f"--out {out}: labels are not written as {path.suffix}", fix=fix)
    return "parquet" if path.suffix.lower() == ".parquet" else "jsonl"


def write(rows: Iterable[Row], target: Path, kind: Format, schema: Callable[[], pa.Schema]) -> int:
    """Writes `target`, which does not exist, and says how many rows there were; tables ask for the `schema`."""
    if kind == "jsonl":
        return _write_jsonl(rows, target)
    return _write_parquet(rows, target, schema()) if kind == "parquet" else _write_folder(rows, target, schema())


def _write_jsonl(rows: Iterable[Row], target: Path) -> int:
    count = 0
    with writing(target), target.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json_line(row))
            count += 1
    return count


def json_line(row: Row, *, finite: bool = True) -> str:
    """The row as a line. `finite`: a number that is not becomes null, with the reason under the row's `reasons`."""
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=not finite)
    except ValueError:  # not finite: the careful way is five times slower
        named = isinstance(row.get("reasons", {}), dict)  # else the row's own `reasons` are something else
        text = to_json(row) if named else json.dumps(clean(row), ensure_ascii=False)
    except TypeError as problem:
        raise UserError(
            f"a row that JSON lines cannot carry: {problem}", fix="turn the column into text first"
        ) from None
    for character in _LINE_BREAKS:
        if character in text:  # spelt out, for readers that end a line at any of Unicode's line breaks
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text + "\n"


def _write_parquet(rows: Iterable[Row], target: Path, schema: pa.Schema) -> int:
    import pyarrow.parquet as pq

    with writing(target), pq.ParquetWriter(target, schema, compression="zstd") as writer:
        return _write_tables(rows, schema, writer)


def _write_tables(rows: Iterable[Row], schema: pa.Schema, writer: Any) -> int:
    count = 0
    for part in _parts(rows):
        writer.write_table(table_of(part, schema))
        count += len(part)
    return count


def _write_folder(rows: Iterable[Row], target: Path, schema: pa.Schema) -> int:
    """An Arrow stream first, which `datasets` then opens and saves as its own."""
    import datasets
    import pyarrow as pa

    stream = target.with_name(target.name + ".arrow")
    with writing(target):
        with pa.OSFile(str(stream), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            count = _write_tables(rows, schema, writer)
        shown = datasets.is_progress_bar_enabled()
        datasets.disable_progress_bars()
        try:
            datasets.Dataset.from_file(str(stream)).save_to_disk(str(target))
        finally:
            stream.unlink()
            if shown:
                datasets.enable_progress_bars()
    return count


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while part := list(islice(left, ROWS_AT_ONCE)):
        yield part


def read(out: Path, kind: Format) -> Iterator[Row]:
    """The rows of a finished output."""
    if kind == "jsonl":
        with out.open("rb") as stream:
            yield from map(json.loads, stream)
    elif kind == "parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(out, pre_buffer=False) as file:
            for table in file.iter_batches(1024, use_threads=False):
                yield from table.to_pylist()
    else:
        from datasets import load_from_disk

        yield from load_from_disk(str(out))


def refuse_to_replace(out: Path) -> None:
    """`UserError` for a directory that `datasets` did not save: it is the user's, and is never removed."""
    if out.is_dir() and any(out.iterdir()) and not is_saved(out):
        raise UserError(f"{out} is a directory with other files", fix="choose another name with --out")


def replace(made: Path, out: Path) -> None:
    """Puts `made` in the place of `out`. Only a file, or a folder that `datasets` saved, is ever replaced."""
    with writing(out):
        if not made.is_dir():
            made.replace(out)
            return
        old = out.with_name(out.name + ".old")
        remove_tree(old)
        if out.is_dir():
            refuse_to_replace(out)
            out.replace(old)
        made.replace(out)
        remove_tree(old)
