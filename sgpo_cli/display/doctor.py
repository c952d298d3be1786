"""The findings of `sgpo doctor`: a line each, and below it what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STYLES = {"ok": "good", "warning": "note", "error": "bad"}


def doctor_table(document: Mapping[str, Any]) -> RenderableType:
    """The document of `sgpo doctor --json` as a table within 80 columns, and a line that sums it up."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("subject", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in document["findings"]:
        level = finding["level"]
        told = Text(finding["what"])
        if finding["fix"]:
            told.append(f"\n{finding['fix']}", style="quiet")
        table.add_row(finding["subject"], Text(level, style=_STYLES[level]), told)
    return Group(table, _sum(document["findings"]))


def _sum(findings: Sequence[Mapping[str, Any]]) -> Text:
    counts = {level: sum(finding["level"] == level for finding in findings) for level in ("error", "warning")}
    told = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count)
    return Text(told or "all is well", style="bad" if counts["error"] else "title")
