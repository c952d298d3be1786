"""Labelled responses in a file of ours: `problem, steps, first_error`, one a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.runs.files import read_jsonl, to_json, write_text


def write_rows(path: Path, rows: Sequence[Labelled]) -> None:
    """Writes the file whole or not at all."""
    lines = [
        to_json({"problem": row.problem, "steps": list(row.steps), "first_error": row.first_error}) for row in rows
    ]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_rows(path: Path) -> list[Labelled]:
    """The rows of `write_rows`."""
    return [Labelled(row["problem"], tuple(row["steps"]), row["first_error"]) for row in read_jsonl(path)]
