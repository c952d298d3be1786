"""`sgpo show RUN --step 40 [--group 3]`: the rollouts of a step, group by group, their steps coloured as judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sgpo_cli.display import readable, words
from sgpo_cli.display.bars import group_bar, group_legend
from sgpo_cli.display.groups import Row, class_of, class_words, groups_of, reason_words, shared_reason, was_rescued
from sgpo_cli.display.guidance import shortened
from sgpo_cli.display.steps import legend_text, render_steps, verdict_words
from sgpo_cli.errors import UserError
from sgpo_cli.runs.rundir import RunDir

GROUPS_SHOWN = 4
RESPONSE_CHARS = 4000


def step_json(run: RunDir, step: int, group: int | None = None) -> dict[str, Any]:
    """The document behind `render_step`: the step's metrics row and its rollouts; `UserError` when there are none."""
    there = (row for row in readable.rows(run.stage("train").rollouts) if row["step"] == step)
    rows = [row for row in there if group is None or row.get("group") == group]
    metrics = next((row for row in readable.rows(run.stage("train").metrics) if row["step"] == step), None)
    if not rows:
        raise _nothing_there(run, step, group)
    return {"run": str(run.path), "step": step, "metrics": metrics, "rollouts": rows}


def _nothing_there(run: RunDir, step: int, group: int | None) -> UserError:
    """Says what there is in place of what was asked for; reads the whole file, which only a mistake costs."""
    there: dict[int, set[int]] = {}
    for row in readable.rows(run.stage("train").rollouts):
        there.setdefault(row["step"], set()).add(row["group"])
    if not there:
        return UserError(f"run {run.name!r} has no rollouts yet", fix=f"sgpo list shows how far it is; {run.path}")
    if step in there and group is not None:
        span = f"{min(there[step])} to {max(there[step])}"
        return UserError(f"step {step} of run {run.name!r} has no group {group}", fix=f"its groups: {span}")
    span = f"{min(there)} to {max(there)}"
    return UserError(f"run {run.name!r} has no rollouts of step {step}", fix=f"its steps: {span}")


def render_step(
    run: RunDir, step: int, group: int | None = None, *, limit: int | None = GROUPS_SHOWN
) -> RenderableType:
    """The ledger of the step, then its groups (`limit` of them, None or 0 all; one when `group` names it).

    Raises `UserError` when the run has no such step or group.
    """
    return render_document(step_json(run, step, group), limit=limit)


def render_document(document: Mapping[str, Any], *, limit: int | None = GROUPS_SHOWN) -> RenderableType:
    """What `step_json` gathered, for a terminal."""
    groups = list(groups_of(document["rollouts"]))
    if limit and len(groups) > limit:
        groups.sort(key=_unlike_rescued)
    shown = groups[: limit or None]
    injected = any(row.get("prefix_tokens") for row in document["rollouts"])
    parts: list[RenderableType] = [*_ledger(document), legend_text(document["rollouts"], injected=injected)]
    for group in shown:
        parts += [Text(""), *_group(group)]
    if len(shown) < len(groups):
        left = len(groups) - len(shown)
        parts += [
            Text(""),
            Text(f"{words.plural(left, 'more group')} of this step: --group N, or --all", style="quiet"),
        ]
    return Group(*parts)


def _unlike_rescued(group: Sequence[Row]) -> int:
    """Where not all groups are shown, those with the most to see come first: rescued, all-negative, mixed."""
    order = ("all_negative", "mixed", "ungraded", "all_correct")
    return -1 if was_rescued(group) else order.index(class_of(group))


def _ledger(document: Mapping[str, Any]) -> list[RenderableType]:
    title = Text(f"{document['run']}, step {document['step']}", style="title")
    row = document["metrics"]
    if row is None:
        return [title]
    figures = [f"accuracy {words.share(row.get('accuracy'))}", f"reward {words.share(row.get('reward'))}"]
    figures += [f"zero advantage {words.percent(row.get('zero_advantage'))}"]
    figures += [f"gradient norm {words.number(row.get('grad_norm'))}"]
    lines: list[RenderableType] = [title, Text(", ".join(figures))]
    if row.get("guidance"):
        lines.append(Text(_guidance(row["guidance"])))
    if row.get("groups"):
        lines += [group_bar(row["groups"], width=48), group_legend(row["groups"])]
    return lines


def _guidance(figures: Mapping[str, Any]) -> str:
    parts = [f"guidance length {words.number(figures.get('length'))}"]
    parts.append(f"accuracy of the guided {words.share(figures.get('accuracy'))}")
    if cut := shortened(figures):
        parts.append(f"prefixes {cut}")
    return ", ".join(parts)


def _group(rows: Sequence[Row]) -> list[RenderableType]:
    first = rows[0]
    right = sum(row.get("outcome") == 1 for row in rows)
    title = f"group {first['group']}: {class_words(rows)}, {right} of {len(rows)} right"
    problem = Text("problem  ", style="quiet").append(words.visible(str(first["problem"])), style="default")
    parts: list[RenderableType] = [Rule(title, align="left", characters="─", style="quiet"), problem]
    shared = shared_reason(rows)
    if shared is not None:
        parts.append(Text("all      ", style="quiet").append(shared, style="default"))
    for row in rows:
        parts.append(_facts(row, reason=shared is None))
        parts.append(Padding(render_steps(row, max_chars=RESPONSE_CHARS), (0, 0, 0, 4)))
    return parts


def _facts(row: Row, *, reason: bool) -> RenderableType:
    """One line a rollout: outcome, reward, advantage, what the judge said, and its `reason` unless it was said."""
    outcome = row.get("outcome")
    mark, style, word = {1: ("✓", "good", "right"), 0: ("✗", "bad", "wrong")}.get(
        outcome if outcome is not None else -1, ("?", "note", "ungraded")
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="quiet")
    line = Text(f"{mark} {row['sample']:>2}  {word:<8}", style=style)
    line.append(
        f" reward {words.share(row.get('reward'))}  advantage {words.signed(row.get('advantage')):>5}", "default"
    )
    grid.add_row(line, ", ".join(notes(row, reason=reason)))
    return grid


def notes(row: Row, *, reason: bool = True) -> list[str]:
    """What else there is to say of a rollout: injected tokens, the verdict, the ledger's `reason`, truncation."""
    said = []
    if row.get("prefix_tokens"):
        said.append(f"first {words.plural(row['prefix_tokens'], 'token')} injected")
    if row.get("verdict") is not None:
        said.append(verdict_words(row["verdict"]))
    if reason and (why := reason_words(row)):
        said.append(why)
    if row.get("truncated"):
        said.append("truncated")
    return said
