"""Rows from a JSON-lines file. It is read twice: once to check every row before anything is written, once to judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from sgpo_cli.data.jsonl import refuse_half_pairs
from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.items import Item, Row, check_row, read_item

_OTHERS = {b"PAR1": "parquet", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstandard", b"ARROW1": "Arrow"}


class JsonLines:
    """A file of responses, one JSON object a line; blank lines are passed over. It is checked once."""

    schema = None

    def __init__(self, path: Path, columns: LabelColumns | None = None) -> None:
        self.path = path
        self.name = str(path)
        self.columns = columns or LabelColumns()
        self.identity, self._count = "", 0

    def check(self) -> int:
        """Reads the whole file, so that a mistake is named by file and line; how many rows it has."""
        if self.identity:
            return self._count
        digest, count = hashlib.sha256(), 0
        for number, line in self._lines(digest):
            where = f"{self.path}:{number}"
            check_row(_row(line, where), where, self.columns)
            count += 1
        if not count:
            raise UserError(f"{self.path} has no rows", fix="it takes one JSON object a line, with problem and steps")
        self.identity, self._count = digest.hexdigest(), count
        return count

    def rows(self) -> Iterator[Row]:
        for number, line in self._lines():
            yield _row(line, f"{self.path}:{number}")

    def items(self, start: int = 0, step: int = 1) -> Iterator[Item]:
        """Rows that are not asked for are not parsed. A file that changed since `check` is a `UserError` at its end."""
        digest = hashlib.sha256()
        wanted = start
        for index, (number, line) in enumerate(self._lines(digest)):
            if index == wanted:
                where = f"{self.path}:{number}"
                yield read_item(_row(line, where), where, self.columns)
                wanted += step
        if self.identity and digest.hexdigest() != self.identity:
            raise UserError(f"{self.path} changed while it was read", fix="run the same command again with --overwrite")

    def _lines(self, digest: hashlib._Hash | None = None) -> Iterator[tuple[int, bytes]]:
        """Line number, from 1, and line; those without a character are left out."""
        try:
            with self.path.open("rb") as stream:
                for number, line in enumerate(stream, start=1):
                    if digest is not None:
                        digest.update(line)
                    if number == 1:
                        self._refuse_other_formats(line)
                    if not line.isspace():
                        yield number, line
        except FileNotFoundError:
            raise UserError(f"no such file: {self.path}") from None
        except (IsADirectoryError, PermissionError) as problem:
            raise UserError(f"cannot read {self.path}: {problem.strerror}") from None

    def _refuse_other_formats(self, line: bytes) -> None:
        for magic, what in _OTHERS.items():
            if line.startswith(magic):
                fix = "name it *.parquet" if what == "parquet" else "unpack it first"
                raise UserError(f"{self.path} is {what}, not JSON lines", fix=fix)


def _row(line: bytes, where: str) -> Row:
    try:
        text = line.decode("utf-8-sig" if where.endswith(":1") else "utf-8")
        row = json.loads(text)
    except json.JSONDecodeError as problem:
        raise UserError(f"not JSON: {problem.msg} (column {problem.colno})", where=where) from None
    except UnicodeDecodeError:
        raise UserError("not UTF-8 text", where=where) from None
    except RecursionError:
        raise UserError("not JSON that can be read: nested too deeply", where=where) from None
    except ValueError:  # Python reads no integer of more than 4300 digits
        raise UserError("not JSON that can be read: a number is too long", where=where) from None
    if not isinstance(row, dict):
        raise UserError("not a JSON object", where=where)
    refuse_half_pairs(row, text, where)
    return row
