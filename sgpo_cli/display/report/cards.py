"""The groups of rollouts that the report shows, ready for the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sgpo_cli.display import words
from sgpo_cli.display.groups import Row, class_of, class_words
from sgpo_cli.display.report.pick import Picked, pick, spread
from sgpo_cli.display.show import notes
from sgpo_cli.display.steps import MARKS, MEANINGS, State, steps_html, steps_of
from sgpo_cli.runs.rundir import RunDir

RESPONSE_CHARS = 4000
WHOLE_GROUP_CHARS = 2500
"""Groups with longer responses show three rollouts that span their advantages; the others are folded away."""
GROUP_ROWS = 16
_WHEN = {"early": "early in the run", "middle": "midway through the run", "late": "late in the run", "": ""}


def picked_groups(run: RunDir, metrics: Sequence[dict[str, Any]]) -> list[Picked]:
    """Up to six groups; empty when nothing was recorded."""
    steps = [row["step"] for row in metrics]
    return pick(run.rollouts(), first=min(steps), last=max(steps)) if steps else []


def marks(groups: Sequence[Picked]) -> list[tuple[State, str, str]]:
    """State, mark and meaning of the steps that occur in the groups; nothing to explain when none was judged."""
    there = {step.state for picked in groups for row in picked.rows for step in steps_of(row)}
    if there <= {"unjudged"}:
        return []
    return [(state, mark.strip() or "no mark", MEANINGS[state]) for state, mark in MARKS.items() if state in there]


def card(picked: Picked) -> dict[str, Any]:
    """One group: what it is, its problem, and its rollouts, the less telling ones folded away when they are long."""
    rows = picked.rows
    first = rows[0]
    right = sum(row.get("outcome") == 1 for row in rows)
    long = sum(len(row.get("response") or "") for row in rows) > WHOLE_GROUP_CHARS
    shown = spread(rows, 3) if long else spread(rows, GROUP_ROWS)
    largest = max((abs(row.get("advantage") or 0.0) for row in rows), default=0.0)
    return {
        "step": first["step"],
        "group": first["group"],
        "when": _WHEN[picked.when],
        "class": class_words(rows),
        "css": "rescued" if picked.what == "rescued" else class_of(rows),
        "right": f"{right} of {len(rows)} right",
        "problem": words.visible(str(first["problem"])),
        "shown": [_rollout(rows[i], largest) for i in shown],
        "folded": [_rollout(row, largest) for i, row in enumerate(rows) if i not in shown],
    }


def _rollout(row: Row, largest: float) -> dict[str, Any]:
    advantage = row.get("advantage")
    size = 0.0 if not largest or not advantage else 50 * abs(advantage) / largest
    mark, word = {1: ("✓", "right"), 0: ("✗", "wrong")}.get(
        row["outcome"] if row["outcome"] is not None else -1, ("?", "ungraded")
    )
    return {
        "sample": row["sample"],
        "mark": mark,
        "outcome": word,
        "reward": words.share(row.get("reward"), 2),
        "advantage": words.signed(advantage),
        "bar": f"width:{size:.0f}%;" + ("left:50%" if (advantage or 0) > 0 else f"left:{50 - size:.0f}%"),
        "steps": steps_html(row, max_chars=RESPONSE_CHARS),
        "notes": notes(row),
    }
