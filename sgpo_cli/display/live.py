"""Progress on the screen: a live view on a terminal, plain throttled lines without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.bars import progress_bar
from sgpo_cli.display.judging import measured_lines
from sgpo_cli.display.state import Pace, RunState, StageState, how_it_ended, warning_text
from sgpo_cli.display.view import live_view, plain_line
from sgpo_cli.runs.events import Event

PLAIN_EVERY_S = 10.0


class _Screen:
    """A Rich Live area when the console is a terminal that can move its cursor; else nothing but plain lines."""

    def __init__(self, console: Console, view: Callable[[], RenderableType]) -> None:
        self.console = console
        animated = console.is_terminal and not console.is_dumb_terminal
        self.live = Live(console=console, get_renderable=view, refresh_per_second=4) if animated else None

    def line(self, text: str | Text) -> None:
        """A line that stays, above the live area: wrapped at words on a terminal, never in a log."""
        self.console.print(text, soft_wrap=self.live is None)


class RunDisplay:
    """Shows the events of a run; `stages` are the plan's (`name, kind, status, estimate`).

    with RunDisplay(console, plan["stages"]) as display: display.handle(event)
    """

    def __init__(self, console: Console, stages: Sequence[Mapping[str, Any]]) -> None:
        self.state = RunState(stages)
        self._screen = _Screen(console, lambda: live_view(self.state, time.time()))
        self._last_line_s = 0.0

    def __enter__(self) -> RunDisplay:
        if self._screen.live is not None:
            self._screen.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen.live is not None:
            self._screen.live.stop()

    def say(self, text: str) -> None:
        """A line above the view."""
        self._screen.line(text)

    def handle(self, event: Event) -> None:
        """Takes one event of the run; cheap, call it for each."""
        measured = self.state.handle(event)
        if event.event == "warning":
            self._screen.line(Text(f"warning: {event.stage}: {warning_text(event)}", style="note"))
        if event.event == "metrics" and self.state.stages[event.stage].kind == "judge":
            for line in measured_lines(event.data):
                self._screen.line(Text(line))
        if self._screen.live is None:
            self._plain(event, measured)

    def _plain(self, event: Event, measured: bool) -> None:
        stage = self.state.stages[event.stage]
        if event.event == "started":
            self._screen.line(f"{stage.name}: started")
        elif stage.status == "skipped":
            self._screen.line(f"{stage.name}: already finished, kept as it is")
        elif event.event in ("finished", "failed"):
            how = event.event if event.event == "finished" else how_it_ended(event)
            self._screen.line(f"{stage.name}: {how} after {words.duration(stage.seconds(event.time))}")
        elif measured or self._due(event):
            self._screen.line(plain_line(stage, self.state.train, event.time))
        else:
            return
        self._last_line_s = event.time

    def _due(self, event: Event) -> bool:
        return event.event in ("progress", "metrics") and event.time - self._last_line_s >= PLAIN_EVERY_S


class progress:
    """Progress of one job, for `sgpo judge` and `sgpo eval`: bar, counts, rate, time left.

    with progress("judging", 1200, console, unit="rows") as bar: bar.update(done, abstained=3, wrong=40)
    """

    def __init__(self, description: str, total: int | None, console: Console, *, unit: str = "") -> None:
        self.job = StageState(description, "job", status="running", total=total, started=time.time())
        self.unit = unit
        self.counts: dict[str, float] = {}
        self._screen = _Screen(console, self._view)
        self._last_line_s = self.job.started or 0.0

    def __enter__(self) -> progress:
        self.job.pace.mark(time.time(), self.job.step)
        if self._screen.live is not None:
            self._screen.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.job.ended = time.time()
        if self._screen.live is not None:
            self._screen.live.stop()
        elif kind is None and self.job.step:
            self._screen.line(self._summary())

    def update(self, done: int, *, total: int | None = None, description: str | None = None, **counts: float) -> None:
        """`done` so far (not the difference); `counts` are shown as they are named, `_` as a space."""
        if done < self.job.step or description not in (None, self.job.name):
            self.job.pace = Pace()
        self.job.step, self.job.total = done, self.job.total if total is None else total
        self.job.name = self.job.name if description is None else description
        self.counts = counts or self.counts
        now = time.time()
        self.job.pace.mark(now, done)
        if self._screen.live is None and now - self._last_line_s >= PLAIN_EVERY_S:
            self._last_line_s = now
            self._screen.line(f"{self.job.name} {self._figures()}{self._counted()}")

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._screen.line(text)

    def _figures(self) -> str:
        done = f"{self.job.step:,}" if self.job.total is None else f"{self.job.step:,}/{self.job.total:,}"
        parts = [done, words.rate(self.job.pace.per_second, self.unit)]
        if self.job.total is not None and self.job.step < self.job.total:
            parts.append(f"{words.clock(self.job.pace.left_s(self.job.step, self.job.total))} left")
        return "  ".join(parts)

    def _counted(self) -> str:
        return "".join(f"  {words.number(value)} {name.replace('_', ' ')}" for name, value in self.counts.items())

    def _summary(self) -> str:
        took = words.duration(self.job.seconds(time.time()))
        one = self.job.step == 1 and self.unit.endswith("s")
        unit = f" {self.unit.removesuffix('s') if one else self.unit}" if self.unit else ""
        return f"{self.job.name}: {self.job.step:,}{unit} in {took}{self._counted()}"

    def _view(self) -> RenderableType:
        bar = progress_bar(self.job.step, self.job.total)
        line = Text(f"{self.job.name} ").append_text(bar).append(f" {self._figures()}")
        return line.append(self._counted(), style="quiet")
