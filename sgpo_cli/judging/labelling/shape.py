"""The shapes in which labelled rows leave: as they are (`rows`), or as trainers of process reward models read them
(`stepwise`: TRL's stepwise supervision, one object a row with `prompt`, `completions`, `labels`).

A label of `stepwise` is true for the steps before the first wrong one, and false from it on: nothing is known of the
steps that follow an error, and what they build on is wrong. A response in which no error was found is true throughout.
Left out, and counted: responses on which the judge abstained, in which it found nothing to check (no error found is
then no finding), and those without a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.items import Row

Schema = Literal["rows", "stepwise"]
SCHEMAS: tuple[Schema, ...] = ("rows", "stepwise")


def why_left_out(row: Row) -> str | None:
    """Why a labelled row teaches a process reward model nothing; None when it does."""
    verdict = row["verdict"]
    if verdict["abstained"]:
        return "abstained"
    if not row["steps"]:
        return "no_steps"
    return "unchecked" if verdict["checked"] == 0 else None


def stepwise(rows: Iterable[Row], columns: LabelColumns, left_out: Counter[str]) -> Iterator[Row]:
    """Labelled rows as {prompt, completions, labels}; `left_out` counts the others by reason."""
    for row in rows:
        why = why_left_out(row)
        if why is not None:
            left_out[why] += 1
            continue
        wrong = row["verdict"]["first_error"]
        labels = [wrong < 0 or step < wrong for step in range(len(row["steps"]))]
        yield {"prompt": row[columns.problem], "completions": row["steps"], "labels": labels}


def as_verdict(row: Row) -> Row:
    """A stepwise row with `problem`, `steps` and `verdict` again, to be shown."""
    labels = row["labels"]
    wrong = labels.index(False) if False in labels else -1
    verdict = {"first_error": wrong, "num_steps": len(labels), "checked": len(labels), "abstained": False}
    score = 1.0 if wrong < 0 else wrong / len(labels)
    return {
        "problem": row["prompt"],
        "steps": row["completions"],
        "verdict": {**verdict, "prefix_score": score, "reason": None, "judge": ""},
    }
