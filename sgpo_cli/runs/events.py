"""Events: what a stage tells the world, one JSON line each.

`time, stage, event (started|progress|metrics|warning|finished|failed), step, total, data`. One writer a file: rank 0
of the child writes `stages/NAME/events.jsonl`, the parent follows it (`EventTail`) and merges it into the run's own
`events.jsonl`. The live display, the report, `sgpo show` and the tests read these files; nothing parses printed text.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.runs.files import JsonLines, clean

Kind = Literal["started", "progress", "metrics", "warning", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of events.jsonl; `time` is seconds since the epoch."""

    time: float
    stage: str
    event: Kind
    step: int | None = None
    total: int | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class EventWriter:
    """Writes the events of one stage; ranks other than 0 hold one with `path=None`, which writes nothing."""

    def __init__(self, stage: str, path: Path | None) -> None:
        self.stage = stage
        self._lines = JsonLines(path) if path is not None else None

    def emit(self, event: Kind, *, step: int | None = None, total: int | None = None, **data: Any) -> None:
        if self._lines is not None:
            reasons: dict[str, str] = {}
            plain = clean(data, reasons)
            if reasons:
                plain["reasons"] = reasons
            self._lines.append(Event(time.time(), self.stage, event, step, total, plain).to_json())

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()


class EventTail:
    """Follows an events file from a position: each `read()` returns the whole lines added since the last."""

    def __init__(self, path: Path, *, at_end: bool = False) -> None:
        self.path = path
        self._position = path.stat().st_size if at_end and path.exists() else 0

    def read(self) -> list[Event]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self._position)
            block = stream.read()
        whole = block[: block.rfind(b"\n") + 1]
        self._position += len(whole)
        return [Event(**json.loads(line)) for line in whole.splitlines()]


def read_events(path: Path) -> list[Event]:
    return EventTail(path).read()
