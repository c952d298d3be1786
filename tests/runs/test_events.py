"""Events: written, followed, and never unreadable."""

from __future__ import annotations

import math
from pathlib import Path

from sgpo_cli.runs.events import EventTail, EventWriter, read_events


def test_a_number_that_is_not_finite_does_not_make_a_file_unreadable(tmp_path: Path) -> None:
    writer = EventWriter("train", tmp_path / "events.jsonl")
    writer.emit("metrics", step=1, heldout={"accuracy": math.nan})
    (event,) = read_events(tmp_path / "events.jsonl")
    assert event.data == {"heldout": {"accuracy": None}, "reasons": {"heldout.accuracy": "not finite: nan"}}


def test_a_tail_gives_each_whole_line_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.read() == []
    writer = EventWriter("warmup", path)
    writer.emit("started")
    assert [event.event for event in tail.read()] == ["started"]
    with path.open("a") as stream:
        stream.write('{"time": 1, "stage": "warmup", "ev')
    assert tail.read() == []
    with path.open("a") as stream:
        stream.write('ent": "progress", "step": 3, "total": 9, "data": {}}\n')
    assert [event.step for event in tail.read()] == [3]
    assert EventTail(path, at_end=True).read() == []


def test_ranks_that_do_not_write_leave_no_file(tmp_path: Path) -> None:
    EventWriter("train", None).emit("started")
    assert list(tmp_path.iterdir()) == []
