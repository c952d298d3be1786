"""What the live view knows: events in, figures out. No printing here, so it can be tested without a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sgpo_cli.display.words import visible
from sgpo_cli.runs.events import Event

Status = Literal["waiting", "running", "done", "skipped", "stopped", "failed"]
_WINDOW_S = 30.0
SIGNALLED = 128
"""Exit codes from here on are 128 + the number of a signal."""


class Pace:
    """Steps a second over the last half minute, from (time, step) marks; a resumed stage starts where it stands."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, time: float, step: int) -> None:
        if self._marks and step < self._marks[-1][1]:
            self._marks.clear()
        self._marks.append((time, step))
        while len(self._marks) > 2 and time - self._marks[1][0] > _WINDOW_S:
            self._marks.popleft()

    @property
    def per_second(self) -> float | None:
        """None until two marks lie apart in time and in steps."""
        if len(self._marks) < 2:
            return None
        (then, first), (now, last) = self._marks[0], self._marks[-1]
        return (last - first) / (now - then) if last > first and now > then else None

    def left_s(self, step: int, total: int | None) -> float | None:
        rate = self.per_second
        return None if total is None or not rate else (total - step) / rate


@dataclass(slots=True)
class StageState:
    """One line of the live view."""

    name: str
    kind: str
    status: Status = "waiting"
    estimate_s: Sequence[float] | None = None
    step: int = 0
    total: int | None = None
    started: float | None = None
    ended: float | None = None
    phase: str | None = None
    """What the stage is doing, when its progress events say so (`what=`, `bench=`)."""
    figures: dict[str, float] = field(default_factory=dict)
    """The last scalar metrics."""
    pace: Pace = field(default_factory=Pace)

    def seconds(self, now: float) -> float | None:
        return None if self.started is None else (self.ended or now) - self.started


@dataclass(slots=True)
class TrainState:
    """The last figures of the train stage."""

    accuracy: list[float | None] = field(default_factory=list)
    heldout: list[tuple[int, float]] = field(default_factory=list)
    groups: Mapping[str, int | None] | None = None
    grad_norm: float | None = None
    guidance: Mapping[str, Any] | None = None
    trust: Mapping[str, Any] | None = None

    @property
    def ungraded(self) -> float | None:
        """Share of the last step's groups whose outcomes are not known."""
        total = (self.groups or {}).get("total")
        return ((self.groups or {}).get("ungraded") or 0) / total if total else None

    def take(self, step: int, data: Mapping[str, Any]) -> bool:
        """Adds a metrics event; True when it holds a new held-out measurement."""
        if "accuracy" in data:
            self.accuracy.append(data["accuracy"])
        self.groups = data.get("groups") or self.groups
        self.guidance = data.get("guidance") or self.guidance
        self.trust = data.get("trust") or self.trust
        self.grad_norm = data.get("grad_norm", self.grad_norm)
        measured = (data.get("heldout") or {}).get("accuracy")
        if measured is not None:
            self.heldout.append((step, measured))
        return measured is not None


class RunState:
    """The stages of a plan and where each stands."""

    def __init__(self, stages: Sequence[Mapping[str, Any]]) -> None:
        self.stages = {stage["name"]: _planned(stage) for stage in stages}
        self.train = TrainState()

    def handle(self, event: Event) -> bool:
        """Takes one event; True when it is a held-out measurement."""
        stage = self.stages.setdefault(event.stage, StageState(event.stage, event.stage))
        if event.event == "started":
            stage.status, stage.started, stage.ended = "running", event.time, None
        elif event.event == "finished":
            # The parent says `finished, skipped` of a stage that it did not start.
            stage.status = "skipped" if event.data.get("skipped") else "done"
            stage.ended = event.time
        elif event.event == "failed":
            stage.status, stage.ended = how_it_ended(event), event.time
        return self._advance(stage, event)

    def _advance(self, stage: StageState, event: Event) -> bool:
        if event.total is not None:
            stage.total = event.total
        if event.step is not None:
            stage.step = event.step
            if event.event == "progress":
                stage.pace.mark(event.time, event.step)
        if event.event == "progress":
            stage.phase = event.data.get("what") or event.data.get("bench")
        if event.event != "metrics":
            return False
        stage.figures.update({k: v for k, v in event.data.items() if isinstance(v, float) and k != "seconds"})
        return stage.kind == "train" and self.train.take(event.step or 0, event.data)


def _planned(stage: Mapping[str, Any]) -> StageState:
    status: Status = "skipped" if stage.get("status") == "skip" else "waiting"
    estimate = (stage.get("estimate") or {}).get("seconds")
    return StageState(stage["name"], stage.get("kind") or stage["name"], status=status, estimate_s=estimate)


def how_it_ended(event: Event) -> Literal["stopped", "failed"]:
    """What a `failed` event means: a stage that a signal ended politely (exit code 130 or 143) was stopped."""
    return "stopped" if (event.data.get("exit_code") or 0) >= SIGNALLED else "failed"


def warning_text(event: Event) -> str:
    """A warning event's message: `data.what`, with `data.fix` behind it."""
    what = str(event.data.get("what") or event.data.get("message") or event.data)
    fix = event.data.get("fix")
    return visible(f"{what}; {fix}" if fix else what)
