"""Reasoning steps, coloured as judged: right green, the first wrong one red, what follows it dim, as text and as HTML.

Meaning survives without colour: each step carries a mark (`+` right, `x` first wrong, `.` after it, `>` injected). A
step is called right only by a judge that checked them all; by another, no error was found in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sgpo_cli.display.words import visible

State = Literal["right", "passed", "wrong", "after", "unjudged", "injected"]

MARKS: dict[State, str] = {"right": "+", "passed": "+", "wrong": "x", "after": ".", "unjudged": " ", "injected": ">"}
MEANINGS: dict[State, str] = {
    "right": "right",
    "passed": "no error found",
    "wrong": "first wrong step",
    "after": "after it, not judged",
    "unjudged": "not judged",
    "injected": "injected trace",
}
_SHORT = 16
"""Steps no longer than this are set side by side, as words are."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step's text (without the line break around it), its 0-based index and its state."""

    index: int
    text: str
    state: State

    @property
    def mark(self) -> str:
        return MARKS[self.state]


def steps_of(row: Mapping[str, Any]) -> list[Step]:
    """The steps of a rollout row (`response, step_ends, verdict`, optionally `prefix_end`).

    `step_ends` are the character offsets where steps end (null: one step). `prefix_end` is the offset where an injected
    prefix ends; a step in which it ends is two pieces. Blank pieces are dropped from view, not from the count.
    """
    response = visible(row.get("response") or "")
    ends = [end for end in row.get("step_ends") or [] if 0 <= end <= len(response)]
    if not ends or ends[-1] < len(response):
        ends.append(len(response))
    states = _states(row.get("verdict"), len(ends))
    prefix = row.get("prefix_end") or 0
    pieces: list[Step] = []
    start = 0
    for index, end in enumerate(ends):
        border = min(max(prefix, start), end)
        parts: tuple[tuple[str, State], ...] = (
            (response[start:border], "injected"),
            (response[border:end], states[index]),
        )
        pieces += [Step(index, text, state) for part, state in parts if (text := part.strip("\n").rstrip())]
        start = end
    lines = [replace(piece, text=line) for piece in pieces for line in piece.text.split("\n") if line]
    if not row.get("step_ends") and all(len(line.text) <= _SHORT for line in lines):
        # Nobody split it (no judge): short lines are still read more easily side by side.
        return lines
    return pieces


def _states(verdict: Mapping[str, Any] | None, count: int) -> list[State]:
    """A state a step. Without a verdict, when the judge abstained, or when it found nothing to check, no step is called
    right or wrong."""
    first = None if verdict is None or verdict.get("abstained") else verdict.get("first_error")
    if verdict is None or first is None or verdict.get("checked") == 0:
        return ["unjudged"] * count
    good: State = "right" if _checked_all(verdict) else "passed"
    if first < 0:
        return [good] * count
    return [good if i < first else "wrong" if i == first else "after" for i in range(count)]


def _checked_all(verdict: Mapping[str, Any]) -> bool:
    return verdict.get("checked") is not None and verdict["checked"] == verdict.get("num_steps")


def verdict_words(verdict: Mapping[str, Any] | None) -> str:
    """A verdict in words: `first wrong step: 3 (steps 0 to 10): e4 r0 is e61`; counted from 0, as in the files."""
    if verdict is None:
        return "not judged"
    reason = f": {visible(str(verdict['reason']))}" if verdict.get("reason") else ""
    if verdict.get("abstained"):
        return f"{verdict.get('judge') or 'the judge'} abstained{reason}"
    count, checked = verdict.get("num_steps"), verdict.get("checked")
    if checked == 0:
        return f"nothing to check: not judged{reason}"
    if verdict["first_error"] < 0:
        seen = f" ({checked} of {count} checked)" if checked is not None and checked != count else ""
        return f"no wrong step found{seen}{reason}"
    span = f" (steps 0 to {count - 1})" if count and count > 1 else " (the only one)" if count == 1 else ""
    return f"first wrong step: {verdict['first_error']}{span}{reason}"


def is_short(steps: Sequence[Step]) -> bool:
    """Whether the steps can stand side by side."""
    return len(steps) > 1 and all(len(step.text) <= _SHORT and "\n" not in step.text for step in steps)


def render_steps(row: Mapping[str, Any], *, max_chars: int | None = None) -> RenderableType:
    """For a terminal: short steps side by side (`+e4 +e61 xe7 .e9`), others below each other with their index."""
    steps = clipped(steps_of(row), max_chars)
    if is_short(steps):
        return Text(" ").join(Text(f"{step.mark.strip()}{step.text}", style=f"step.{step.state}") for step in steps)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(justify="right", min_width=2)
    grid.add_column(overflow="fold")
    for step in steps:
        style = f"step.{step.state}"
        marks = "\n".join([step.mark] * (step.text.count("\n") + 1))
        grid.add_row(Text(marks, style=style), Text(str(step.index), style="quiet"), Text(step.text, style=style))
    return grid


def clipped(steps: Sequence[Step], max_chars: int | None) -> list[Step]:
    """The steps up to `max_chars` characters in all; the rest is one step that says how much was left out."""
    if max_chars is None:
        return list(steps)
    kept: list[Step] = []
    room = max_chars
    for position, step in enumerate(steps):
        if len(step.text) > room:
            left = sum(len(other.text) for other in steps[position:]) - room
            cut = f"{step.text[:room]} … {left:,} more characters".lstrip()
            return [*kept, Step(step.index, cut, step.state)]
        kept.append(step)
        room -= len(step.text)
    return kept


def steps_html(row: Mapping[str, Any], *, max_chars: int | None = None) -> str:
    """The steps as escaped HTML: `<ol class="steps ...">` with a class and a spoken word for each state."""
    steps = clipped(steps_of(row), max_chars)
    layout = "short" if is_short(steps) else "long"
    return f'<ol class="steps {layout}">{"".join(_item(step) for step in steps)}</ol>'


def _item(step: Step) -> str:
    mark = "" if step.mark == " " else f'<b aria-hidden="true">{escape(step.mark)}</b>'
    title = f"step {step.index}: {MEANINGS[step.state]}"
    return f'<li class="{step.state}" title="{title}">{mark}<span>{escape(step.text)}</span></li>'


def legend_states(rows: Iterable[Mapping[str, Any]]) -> list[State]:
    """The states that occur in the rows, in the order of the legend. `right` and `passed` look the same: where both
    occur, the mark promises no more than `passed` does."""
    there = {step.state for row in rows for step in steps_of(row)}
    return [state for state in MARKS if state in there and not (state == "right" and "passed" in there)]


def legend_text(rows: Iterable[Mapping[str, Any]] | None = None, *, injected: bool = False) -> Text:
    """What the marks mean, on one line; with that of an injected prefix when there is one.

    `+` is `right` only when every judged row among `rows` was checked in all its steps.
    """
    good: State = "right" if rows is not None and "right" in legend_states(rows) else "passed"
    states: tuple[State, ...] = (*(("injected",) if injected else ()), good, "wrong", "after")
    return Text("   ").join(Text(f"{MARKS[s]} {MEANINGS[s]}", style=f"step.{s}") for s in states)
