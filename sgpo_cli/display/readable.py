"""Reading a run's files when they may be damaged: whatever is wrong with one is a `UserError` that names it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.runs.events import Event, read_events
from sgpo_cli.runs.files import read_json, read_jsonl

_FIX = "this file was damaged after it was written: restore it, or remove the run's directory"


@contextmanager
def reading(path: Path, *, line: int | None = None) -> Iterator[None]:
    """Around the code that reads and uses `path`: what its content is not fit for becomes a `UserError`."""
    where = str(path) if line is None else f"{path}:{line}"
    try:
        yield
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise UserError(f"not JSON: {problem}", where=where, fix=_FIX) from None
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise UserError(f"not what a run writes there: {problem!r}", where=where, fix=_FIX) from None
    except OSError as problem:
        raise UserError(f"cannot read it: {problem.strerror}", where=where) from None


def document(path: Path) -> dict[str, Any]:
    """The JSON object at `path`."""
    with reading(path):
        found = read_json(path)
    if not isinstance(found, dict):
        raise UserError("not a JSON object", where=str(path), fix=_FIX)
    return found


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file, each an object with a whole number `step`; a missing file has none."""
    lines = read_jsonl(path)
    number = 0
    while True:
        number += 1
        with reading(path, line=number):
            row = next(lines, None)
        if row is None:
            return
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise UserError("not a row with a step", where=f"{path}:{number}", fix=_FIX)
        yield row


def events(path: Path) -> list[Event]:
    with reading(path):
        return read_events(path)
