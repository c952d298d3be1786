"""A file of labelled steps that a judge is measured on (`judge.floor.data`)."""

from __future__ import annotations

from pathlib import Path

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.verdict import Solution


def read_labelled(path: Path) -> list[tuple[Solution, int]]:
    """Solutions with the true index of their first wrong step, -1 for none; rows without a label are passed over.

    The label is `first_error`, or `label` (as ProcessBench calls it) where the first row has that alone.

    Raises:
        UserError: a row that cannot be used, with file and line, or no row with a label.
    """
    _, first = next(read_file(path, limit=1), ("", {}))
    named = "label" if "label" in first and "first_error" not in first else "first_error"
    source = JsonLines(path, LabelColumns(first_error=named))
    source.check()
    found = [(item.solution, item.label) for item in source.items() if item.label is not None]
    if not found:
        raise UserError(
            f"no row of {path} has a label: there is nothing to measure a judge on",
            where="judge.floor.data",
            fix="give rows with problem, steps and first_error: 0-based, -1 for none",
        )
    return found
