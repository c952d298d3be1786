"""How a `RunState` looks: a block of lines for a terminal, or one plain line for a log."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.bars import group_bar, group_legend, progress_bar, sparkline
from sgpo_cli.display.state import RunState, StageState, Status, TrainState

_STYLES: dict[Status, tuple[str, str]] = {
    "done": ("✓", "good"),
    "running": ("▶", "title"),
    "skipped": ("↷", "quiet"),
    "waiting": ("·", "quiet"),
    "stopped": ("‖", "note"),
    "failed": ("✗", "bad"),
}


def live_view(state: RunState, now: float) -> RenderableType:
    """Every stage on a line; the train stage's figures under the running train stage. At most 80 columns."""
    grid = Table.grid(padding=(0, 1))
    for width in (1, 10, 7, 24):
        grid.add_column(width=width, no_wrap=True, overflow="ellipsis")
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for stage in state.stages.values():
        grid.add_row(*_row(stage, now))
    training = any(stage.kind == "train" and stage.status == "running" for stage in state.stages.values())
    return Group(grid, Text(""), *_train_figures(state.train)) if training else grid


def _row(stage: StageState, now: float) -> list[Text]:
    mark, style = _STYLES[stage.status]
    status = {"done": "done", "skipped": "as is"}.get(stage.status, stage.status)
    head = [Text(mark, style=style), Text(stage.name, style=style), Text(status, style="quiet")]
    if stage.status == "running":
        return [*head, progress_bar(stage.step, stage.total), Text(_running(stage, now))]
    if stage.status == "skipped":
        return [*head, Text("already finished", style="quiet"), Text("")]
    if stage.status == "waiting":
        about = f"about {words.span(stage.estimate_s)}" if stage.estimate_s else ""
        return [*head, Text(about, style="quiet"), Text("")]
    return [*head, Text(words.duration(stage.seconds(now)), style="quiet"), Text("")]


def _running(stage: StageState, now: float) -> str:
    if stage.total is None:
        return " ".join(filter(None, [stage.phase, words.clock(stage.seconds(now))]))
    left = words.clock(stage.pace.left_s(stage.step, stage.total))
    phase = f"  {stage.phase}" if stage.phase else ""
    return f"{stage.step}/{stage.total}  {words.rate(stage.pace.per_second)}  {left} left{phase}"


def _train_figures(train: TrainState) -> list[Text]:
    """One line a figure: name, value, picture. The loss is not among them: it is near 0 whatever is learned."""
    lines = []
    if train.heldout:
        step, value = train.heldout[-1]
        curve = sparkline([v for _, v in train.heldout], width=32, top=1.0)
        lines.append(_figure("held-out accuracy", words.share(value), f"{curve} at step {step}"))
    if train.accuracy:
        curve = sparkline(train.accuracy, width=32, top=1.0)
        lines.append(_figure("accuracy", words.share(train.accuracy[-1]), curve))
    if train.groups:
        lines.append(_figure("groups", str(train.groups.get("total") or ""), group_bar(train.groups)))
        lines.append(Text(" " * 18).append_text(group_legend(train.groups)))
        if train.ungraded:
            lines.append(_figure("ungraded groups", words.percent(train.ungraded), "the verifier could not tell"))
    if train.guidance:
        guided = f"accuracy of the guided {words.share(train.guidance.get('accuracy'))}"
        lines.append(_figure("guidance length", words.number(train.guidance.get("length")), guided))
    if train.grad_norm is not None:
        lines.append(_figure("gradient norm", words.number(train.grad_norm), ""))
    return lines


def _figure(name: str, value: str, picture: str | Text) -> Text:
    line = Text().append(f"{name:<17} ", style="quiet")
    line.append(f"{value:<7} ", style="title" if name.startswith("held-out") else "default")
    return line.append(picture) if isinstance(picture, str) else line.append_text(picture)


def plain_line(stage: StageState, train: TrainState, now: float) -> str:
    """`train 37/100, 1.9/s, 0:33 left, accuracy 0.213, held-out 0.240 (step 30), 14 of 32 groups all-negative ...`."""
    parts = [f"{stage.name} {stage.step}/{stage.total}" if stage.total else f"{stage.name} {stage.phase or stage.step}"]
    if stage.total is not None and stage.pace.per_second is not None:
        parts.append(words.rate(stage.pace.per_second))
        if stage.step < stage.total:
            parts.append(f"{words.clock(stage.pace.left_s(stage.step, stage.total))} left")
    elif stage.started is not None:
        parts.append(f"after {words.clock(stage.seconds(now))}")
    if stage.kind == "train":
        parts += train_parts(train)
    else:
        parts += [f"{name.replace('_', ' ')} {words.number(value)}" for name, value in list(stage.figures.items())[:3]]
    return ", ".join(parts)


def train_parts(train: TrainState) -> list[str]:
    parts = []
    if train.accuracy:
        parts.append(f"accuracy {words.share(train.accuracy[-1])}")
    if train.heldout:
        step, value = train.heldout[-1]
        parts.append(f"held-out {words.share(value)} (step {step})")
    if train.groups:
        negative, total = train.groups.get("all_negative"), train.groups.get("total")
        rescued = f" ({train.groups['rescued']} rescued)" if train.groups.get("rescued") else ""
        parts.append(f"{negative} of {total} groups all-negative{rescued}")
        if train.ungraded:
            parts.append(f"ungraded groups {words.percent(train.ungraded)}")
    if train.trust:
        parts.append(f"trust {words.share(train.trust.get('weight'))}")
    if train.guidance:
        parts.append(f"guidance {words.number(train.guidance.get('length'))}")
        parts.append(f"guided accuracy {words.share(train.guidance.get('accuracy'))}")
    if train.grad_norm is not None:
        parts.append(f"gradient norm {words.number(train.grad_norm)}")
    return parts
