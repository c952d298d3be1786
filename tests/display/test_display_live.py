"""Progress: plain lines without a terminal, a live view with one; the loss is never a headline."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from sgpo_cli.display.console import THEME
from sgpo_cli.display.live import RunDisplay, progress
from sgpo_cli.display.state import Pace
from sgpo_cli.display.view import live_view
from sgpo_cli.runs.events import Event, read_events
from sgpo_cli.runs.files import read_json
from sgpo_cli.runs.rundir import RunDir

STAGES = [{"name": n, "kind": n, "status": "run", "estimate": {"seconds": [4, 9]}} for n in ("warmup", "train", "eval")]
GROUPS = {"total": 32, "all_correct": 2, "mixed": 10, "all_negative": 20, "ungraded": 0, "rescued": 14}


def console(**options: Any) -> Console:
    return Console(file=io.StringIO(), width=80, theme=THEME, **options)


def printed(target: Console) -> str:
    return target.file.getvalue()  # type: ignore[attr-defined]


def steps(start: float, count: int, apart_s: float) -> list[Event]:
    told = {"accuracy": 0.25, "groups": GROUPS, "grad_norm": 0.41, "loss": 1234.5}
    return [
        Event(start + i * apart_s, "train", kind, i, count, told)
        for i in range(1, count + 1)
        for kind in ("progress", "metrics")
    ]  # type: ignore[arg-type]


def test_plain_lines_are_throttled_and_never_show_the_loss() -> None:
    target = console()
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(100.0, "train", "started"))
        for event in steps(100.0, 60, 0.5):
            display.handle(event)
        display.handle(Event(131.0, "train", "finished"))
    lines = printed(target).splitlines()
    assert lines[0] == "train: started" and lines[-1] == "train: finished after 31 s"
    assert len(lines) == 5, lines
    assert lines[1].startswith("train 20/60, 2/s, 0:20 left")
    assert "20 of 32 groups all-negative (14 rescued)" in lines[2] and "1234" not in printed(target)


def test_a_heldout_measurement_is_shown_at_once() -> None:
    target = console()
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(100.0, "train", "started"))
        display.handle(Event(100.1, "train", "metrics", 0, 60, {"heldout": {"accuracy": 0.02}}))
        display.handle(Event(100.2, "train", "metrics", 1, 60, {"accuracy": 0.1, "heldout": None}))
    assert printed(target).splitlines()[1] == "train 0/60, after 0:00, held-out 0.020 (step 0)"
    assert len(printed(target).splitlines()) == 2


def test_skipped_stages_warnings_and_failures_are_said() -> None:
    target = console()
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(1.0, "warmup", "finished", None, None, {"skipped": True, "seconds": 0.0}))
        display.handle(Event(2.0, "train", "started"))
        display.handle(Event(3.0, "train", "warning", data={"what": "the judge was not measured", "fix": "add labels"}))
        display.handle(Event(4.0, "train", "failed", data={"what": "NaN reward"}))
    assert printed(target).splitlines() == [
        "warmup: already finished, kept as it is",
        "train: started",
        "warning: train: the judge was not measured; add labels",
        "train: failed after 2.0 s",
    ]


@pytest.mark.parametrize("code", [130, 143])
def test_a_polite_stop_is_no_failure(code: int) -> None:
    target = console()
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(2.0, "train", "started"))
        display.handle(Event(4.0, "train", "failed", data={"what": "stopped", "exit_code": code}))
        view = console()
        view.print(live_view(display.state, 5.0))
    assert printed(target).splitlines()[-1] == "train: stopped after 2.0 s"
    assert "stopped" in printed(view) and "failed" not in printed(view) and "✗" not in printed(view)


def test_ungraded_groups_are_said_live() -> None:
    target = console()
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(2.0, "train", "started"))
        groups = {"total": 4, "all_correct": 0, "mixed": 0, "all_negative": 0, "ungraded": 4, "rescued": 0}
        display.handle(Event(20.0, "train", "metrics", 1, 60, {"groups": groups}))
        target.print(live_view(display.state, 21.0))
    plain, view = printed(target).split("\n", 2)[1:]
    assert "ungraded groups 100%" in plain
    assert re.search(r"ungraded groups +100%", view)


def test_a_narrow_terminal_wraps_at_words() -> None:
    target = Console(file=io.StringIO(), width=50, theme=THEME, force_terminal=True, no_color=True)
    what = "F1 needs rows with and without a wrong step: the floor is held to acc_error"
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(2.0, "train", "started"))
        display.handle(Event(3.0, "train", "warning", data={"what": what}))
        for event in steps(3.0, 40, 0.5):
            display.state.handle(event)
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed(target)))
    start = next(i for i, line in enumerate(lines) if "warning: train: " in line)
    assert all(len(line.rstrip()) <= 50 for line in lines)
    assert " ".join(line.strip() for line in lines[start : start + 2]).endswith(what)
    view = Console(file=io.StringIO(), width=50, theme=THEME)
    view.print(live_view(display.state, 24.0))
    assert "14 rescued" in " ".join(printed(view).split()) and "gradient norm" in printed(view)


def test_the_live_view_fits_eighty_columns(sgpo: RunDir) -> None:
    display = RunDisplay(console(), read_json(sgpo.plan)["stages"])
    for event in [e for e in read_events(sgpo.events) if (e.stage, e.event) != ("train", "finished")]:
        display.state.handle(event)
        target = console(no_color=True)
        target.print(live_view(display.state, event.time))
        assert max(len(line) for line in printed(target).splitlines()) <= 80
    # Every event was taken but the end of training: it is still running, with its figures below.
    assert "held-out accuracy" in printed(target) and "▒" in printed(target) and "loss" not in printed(target)


def test_a_terminal_gets_a_live_area_with_warnings_above_it() -> None:
    target = console(force_terminal=True)
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(2.0, "train", "started"))
        display.handle(Event(3.0, "train", "warning", data={"what": "careful"}))
    assert "\x1b[?25l" in printed(target) and printed(target).rstrip().endswith("\x1b[?25h")
    assert printed(target).count("warning: train: careful") == 1 and "train: started" not in printed(target)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: Any) -> None:
    monkeypatch.setenv("TERM", "dumb")
    target = console(force_terminal=True)
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(2.0, "train", "started"))
    assert "\x1b[?25l" not in printed(target) and "train: started" in printed(target)


def test_pace_is_of_the_last_half_minute_and_of_this_session() -> None:
    pace = Pace()
    assert pace.per_second is None and pace.left_s(0, 10) is None
    for second in range(100):
        pace.mark(float(second), second * (1 if second < 50 else 10))
    assert pace.per_second == 10.0 and pace.left_s(990, 1000) == 1.0
    pace.mark(200.0, 60)  # resumed from a checkpoint: the counter went back
    assert pace.per_second is None


def test_resuming_at_a_late_step_does_not_count_the_steps_before() -> None:
    pace = Pace()
    pace.mark(0.0, 80)
    pace.mark(10.0, 90)
    assert pace.per_second == 1.0


def test_an_event_of_an_unknown_stage_is_shown_all_the_same() -> None:
    target = console()
    with RunDisplay(target, STAGES) as display:
        display.handle(Event(2.0, "rollout", "started"))
    assert printed(target) == "rollout: started\n"


def test_progress_of_a_job_without_a_terminal_ends_with_its_counts() -> None:
    target = console()
    with progress("judging", 1200, target, unit="rows") as bar:
        bar.update(600, abstained=1)
        bar.update(1200, abstained=3, with_an_error=40)
    (line,) = printed(target).splitlines()
    assert line.startswith("judging: 1,200 rows in ") and line.endswith("  3 abstained  40 with an error")


def test_one_row_is_one_row() -> None:
    target = console()
    with progress("judging", 1, target, unit="rows") as bar:
        bar.update(1)
    assert printed(target).startswith("judging: 1 row in ")


def test_a_job_that_fails_does_not_report_success() -> None:
    target = console()
    try:
        with progress("judging", 10, target) as bar:
            bar.update(4)
            raise KeyError
    except KeyError:
        pass
    assert printed(target) == ""
