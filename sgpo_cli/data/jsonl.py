"""Rows of a JSONL file that a person wrote: every broken line is named by file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError


def read_file(path: Path, limit: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`file:line`, values) of each row; blank lines are skipped, a byte order mark is fine.

    Raises:
        UserError: a line that is not a JSON object, with `file:line`; a file that is not UTF-8 or cannot be read.
    """
    count = 0
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                if limit is not None and count >= limit:
                    return
                place = f"{path}:{number}"
                line = _text(raw, place, path)
                if line.strip():
                    count += 1
                    yield place, _parse(line, place)
    except OSError as problem:
        raise UserError(f"cannot read it: {problem.strerror}", where=str(path)) from None


def _text(raw: bytes, place: str, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig" if place.endswith(":1") else "utf-8")
    except UnicodeDecodeError as problem:
        raise UserError(f"not UTF-8 text: {problem.reason}", where=place, fix=_fix(path)) from None


def _parse(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as problem:
        raise UserError(f"not JSON: {problem.msg} (column {problem.colno})", where=place, fix=_one_a_line) from None
    except (RecursionError, ValueError) as problem:  # of numbers, Python reads at most 4300 digits
        reason = "nested too deeply" if isinstance(problem, RecursionError) else "a number is too long"
        raise UserError(f"not JSON that can be read: {reason}", where=place, fix=_one_a_line) from None
    if not isinstance(value, dict):
        raise UserError(f"a row must be a JSON object, this is a {type(value).__name__}", where=place, fix=_one_a_line)
    refuse_half_pairs(value, line, place)
    return value


def refuse_half_pairs(row: Mapping[str, Any], line: str, place: str) -> None:
    """`UserError` for a row, read from `line`, whose text holds half of a surrogate pair (`"\\ud800"`): JSON can spell
    it, but no UTF-8 file can hold it, and it would fail only where it is written."""
    if "\\ud" not in line.lower():  # the only way to spell one
        return
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        half = f"\\u{ord(problem.object[problem.start]):04x}"
        what = f"its text holds {half}, half of a surrogate pair: that is no character"
        raise UserError(what, where=place, fix="write the whole pair, or \\ufffd in its place") from None


_one_a_line = "write one JSON object a line (JSON lines)"


def _fix(path: Path) -> str:
    if path.suffix in {".parquet", ".arrow"}:
        return f"give the folder that holds it instead: {path.parent}"
    return _one_a_line
