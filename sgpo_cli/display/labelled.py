"""What `sgpo judge` ends with: the judge's figures where there are labels, then counts, pace and cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.tables import judge_table

_WHY = 4
"""Reasons that are named, the most frequent first."""
_LEFT_OUT = {"abstained": "abstained", "unchecked": "with nothing to check", "no_steps": "without steps"}


def labelled_table(document: Mapping[str, Any], *, title: str) -> RenderableType:
    """`document` is LabelSummary.to_json()."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="quiet", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in labelled_lines(document):
        grid.add_row(name, text)
    return Group(judge_table(document, title=title), grid, Text())


def labelled_lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Counts, pace and cost in words; only those that are known."""
    rows = document["rows"]
    found = rows["total"] - rows["no_error"] - rows["abstained"]
    failed = f" ({rows['failed']:,} after failed calls)" if rows.get("failed") else ""
    lines = [
        ("rows", f"{rows['total']:,}: {found:,} with a wrong step, {rows['no_error']:,} without an error found,"),
        ("", f"{rows['abstained']:,} abstained{failed}"),
    ]
    if rows.get("abstained_why"):
        why = sorted(rows["abstained_why"].items(), key=lambda pair: -pair[1])
        lines.append(("", "; ".join(f"{count:,} {reason}" for reason, count in why[:_WHY])))
    if rows.get("left_out"):
        reasons = ", ".join(f"{count:,} {_LEFT_OUT[why]}" for why, count in sorted(rows["left_out"].items()))
        lines.append(("written", f"{rows['written']:,}; left out: {reasons}"))
    if rows.get("resumed") and not document["nothing_to_do"]:
        lines.append(("resumed", f"{rows['resumed']:,} rows were judged before"))
    if document.get("rows_per_second"):
        pace = words.rate(document["rows_per_second"], "rows")
        lines.append(("pace", f"{pace}, {words.duration(document['seconds'])} in all"))
    return lines + _cost(document.get("usage"))


def _cost(usage: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not usage:
        return []
    calls = [f"{words.plural(usage['calls'], 'request')}"]
    calls += [f"{words.plural(usage[key], 'verdict')} {key}" for key in ("cached", "repaired", "failed") if usage[key]]
    cached = f" ({usage['cached_tokens']:,} cached)" if usage["cached_tokens"] else ""
    lines = [("calls", ", ".join(calls))]
    if usage["input_tokens"] or usage["output_tokens"]:
        lines.append(("tokens", f"{usage['input_tokens']:,} in{cached}, {usage['output_tokens']:,} out"))
    if usage["cost"] is not None:
        lines.append(("cost", f"{usage['cost']:.4g} {usage.get('currency') or ''}".rstrip()))
    if usage.get("uncounted"):
        lines.append(("", f"without {words.plural(usage['uncounted'], 'answer')} of which the server told no tokens"))
    return lines
