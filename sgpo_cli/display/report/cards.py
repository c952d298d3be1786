"""The groups of rollouts that the report shows, ready for the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sgpo_cli.display import words
from sgpo_cli.display.groups import Row, class_of, class_words
from sgpo_cli.display.readable import reading, rows
from sgpo_cli.display.report.pick import Picked, pick, spread
from sgpo_cli.display.show import notes
from sgpo_cli.display.steps import MARKS, MEANINGS, State, legend_states, steps_html
from sgpo_cli.runs.rundir import RunDir

RESPONSE_CHARS = 4000
WHOLE_GROUP_CHARS = 2500
"""Groups with longer responses show three rollouts that span their advantages; the others are folded away."""
GROUP_ROWS = 16
_WHEN = {"early": "early in the run", "middle": "midway through the run", "late": "late in the run", "": ""}


def picked_groups(run: RunDir, metrics: Sequence[dict[str, Any]]) -> list[Picked]:
    """Up to seven groups; empty when nothing was recorded. `UserError` names a damaged file."""
    path = run.stage("train").rollouts
    steps = [row["step"] for row in metrics] or [row["step"] for row in rows(path)]
    with reading(path):
        return pick(rows(path), first=min(steps), last=max(steps)) if steps else []


def how_chosen(groups: Sequence[Picked]) -> str:
    """Which groups these are, in words."""
    kinds = {picked.what for picked in groups}
    if "rescued" in kinds:
        told = (
            "Whole groups, chosen for what can be seen in them, not at random: rescued groups with the most different "
            "rewards, mixed groups nearest to half right, and, where there is one, an all-negative group that stayed "
            "without a signal."
        )
    elif kinds & {"no signal", "mixed"}:
        told = "Whole groups: all-negative ones, from which nothing was learned, and mixed ones nearest to half right."
    elif "ungraded" in kinds:
        return "Whole groups, none of them graded: the verifier could not tell, so nothing was learned from them."
    else:
        return "A whole group; all groups were solved throughout, so nothing was learned from them."
    return told + (" One group could not be graded." if "ungraded" in kinds else "")


def marks(groups: Sequence[Picked]) -> list[tuple[State, str, str]]:
    """State, mark and meaning of the steps that occur in the groups; nothing to explain when none was judged."""
    there = legend_states(row for picked in groups for row in picked.rows)
    if there in ([], ["unjudged"]):
        return []
    return [(state, MARKS[state].strip() or "no mark", MEANINGS[state]) for state in there]


def card(picked: Picked) -> dict[str, Any]:
    """One group: what it is, its problem, and its rollouts, the less telling ones folded away when they are long."""
    members = picked.rows
    first = members[0]
    right = sum(row.get("outcome") == 1 for row in members)
    long = sum(len(row.get("response") or "") for row in members) > WHOLE_GROUP_CHARS
    shown = spread(members, 3) if long else spread(members, GROUP_ROWS)
    largest = max((abs(row.get("advantage") or 0.0) for row in members), default=0.0)
    return {
        "step": first["step"],
        "group": first["group"],
        "when": _WHEN[picked.when],
        "class": class_words(members),
        "css": "rescued" if picked.what == "rescued" else class_of(members),
        "right": f"{right} of {len(members)} right",
        "problem": words.visible(str(first["problem"])),
        "shown": [_rollout(members[i], largest) for i in shown],
        "folded": [_rollout(row, largest) for i, row in enumerate(members) if i not in shown],
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
