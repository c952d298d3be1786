"""The runs under ./runs, a line or two each in 80 columns, and the plain data behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.facts import RunFacts, gather
from sgpo_cli.errors import UserError
from sgpo_cli.runs.rundir import RunDir

_WIDTH = 80
_GAP = 2
_HEADERS = ("run", "state", "steps", "held-out", "time")
_RIGHT = (2, 3, 4)


def runs_json(runs: Sequence[RunDir]) -> list[dict[str, Any]]:
    """The document behind `runs_table`. A run with a damaged file is `unreadable`, with the file under `reason`."""
    rows = []
    for run in runs:
        try:
            facts = gather(run)
        except UserError as problem:
            unknown: dict[str, Any] = {"steps": None, "heldout": None, "benchmarks": {}, "seconds": None}
            reason = f"{problem.where}: {problem.what}" if problem.where else problem.what
            rows.append({"name": run.name, "path": str(run.path), "state": "unreadable", **unknown, "reason": reason})
            continue
        heldout = facts.heldout[-1][1] if facts.heldout else None
        benches = {bench["bench"]: bench.get("avg_at_k") for bench in facts.benches}
        state = "finished" if facts.finished else _standing(facts)
        rows.append(
            {"name": run.name, "path": str(run.path), "state": state, "steps": facts.steps}
            | {"heldout": heldout, "benchmarks": benches, "seconds": facts.seconds}
        )
    return rows


def _standing(facts: RunFacts) -> str:
    begun = [stage for stage in facts.stages if stage.status != "not run"]
    return "planned" if not begun else f"{begun[-1].name} {begun[-1].status}"


def runs_table(runs: Sequence[RunDir]) -> RenderableType:
    """Where each run stands and what it reached; its benchmarks on a second line, as many as fit."""
    if not runs:
        return Text("no runs here yet; start one: sgpo train tiny_sgpo", style="note")
    found = runs_json(runs)
    cells = [_cells(row) for row in found]
    widths = [max(map(len, column)) for column in zip(_HEADERS, *cells, strict=True)]
    # One long name pushes its own line on, not all lines beyond the width.
    widths[0] = min(widths[0], max(len("run"), _WIDTH - sum(widths[1:]) - _GAP * (len(widths) - 1)))
    lines = [Text("runs", style="title"), Text(_aligned(_HEADERS, widths), style="bold")]
    lines.append(Text("─" * min(_WIDTH, sum(widths) + _GAP * (len(widths) - 1)), style="quiet"))
    cut = False
    for row, cell in zip(found, cells, strict=True):
        lines.append(Text(_aligned(cell, widths)))
        if row["benchmarks"]:
            told, left = _benchmarks([f"{name} {words.share(value)}" for name, value in row["benchmarks"].items()])
            lines.append(Text(told, style="quiet"))
            cut = cut or left
    lines += [Text(f"{row['name']} is unreadable: {row['reason']}", style="note") for row in found if "reason" in row]
    if cut:
        lines.append(Text("all benchmarks of a run: sgpo report RUN, or sgpo list runs --json", style="note"))
    return Group(*lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    figures = words.number(row["steps"]), words.share(row["heldout"]), words.duration(row["seconds"])
    return (row["name"], row["state"], *figures)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line; names are never broken, and a line that is too long wraps behind one."""
    padded = [
        cell.rjust(width) if number in _RIGHT else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return (" " * _GAP).join(padded).rstrip()


def _benchmarks(told: Sequence[str]) -> tuple[str, bool]:
    """An indented line of whole entries, and whether some are left out."""
    for count in range(len(told), 0, -1):
        left = len(told) - count
        line = "  " + ", ".join(told[:count]) + (f", and {left} more" if left else "")
        if len(line) <= _WIDTH or count == 1:
            return line, left > 0
    return "", False
