"""Killed at any moment, the same command ends as if nothing had been; and no child is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.tiny import SHORT_SGPO, rows, sgpo, start, untimed

RUN = Path("runs/tiny_sgpo")
# Long enough to be caught in the middle; the same numbers as the finished run's, since only the eye is slower.
COMMAND = ["train", "tiny_sgpo", *SHORT_SGPO]


def outcome(here: Path) -> dict[str, object]:
    """All that a run says of the policy: every row of training and evaluation, without timings."""
    stages = here / RUN / "stages"
    return {
        "warmup": untimed(rows(stages / "warmup/metrics.jsonl")),
        "metrics": untimed(rows(stages / "train/metrics.jsonl")),
        "rollouts": rows(stages / "train/rollouts.jsonl"),
        "samples": rows(stages / "eval/hops/samples.jsonl"),
        "summary": {
            k: v
            for k, v in json.loads((stages / "eval/hops/summary.json").read_text()).items()
            if k in ("avg_at_k", "ci95")
        },
        "weights": (stages / "train/final/model.safetensors").read_bytes(),
    }


def events_of(here: Path, stage: str) -> Path:
    return here / RUN / "stages" / stage / "events.jsonl"


def wait_for(here: Path, stage: str, at_least: int, process: subprocess.Popen[str], *, seen: int = 0) -> None:
    """Until `stage` has told of so many steps, in what it wrote behind `seen` bytes."""
    events = events_of(here, stage)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended before it could be killed: {process.stdout and process.stdout.read()}"
        if events.exists():
            new = events.read_bytes()[seen:].decode()
            told = [json.loads(line) for line in new.splitlines(keepends=True) if line.endswith("\n")]
            if any((event["step"] or 0) >= at_least and event["event"] in ("progress", "metrics") for event in told):
                return
            if at_least == 0 and told:
                return
        time.sleep(0.02)
    raise AssertionError(f"stage {stage} never came to step {at_least}")


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not alive


def strike(here: Path, blow: str, stage: str, step: int) -> None:
    """Starts the command, stops it that way at that step of that stage, and looks at what is left."""
    seen = events_of(here, stage).stat().st_size if events_of(here, stage).exists() else 0
    process = start(*COMMAND, cwd=here)
    wait_for(here, stage, step, process, seen=seen)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if blow == "kill parent":
        process.kill()
        process.communicate()
    elif blow == "kill child":
        children[0].kill()
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 1 and "SIGKILL" in told
    else:
        number, code = {"SIGINT": (signal.SIGINT, 130), "SIGTERM": (signal.SIGTERM, 143)}[blow]
        process.send_signal(number)
        told, _ = process.communicate(timeout=60)
        assert process.returncode == code, told
        assert f"to go on: sgpo {' '.join(COMMAND)}" in told and "Traceback" not in told
        assert list((here / RUN / "stages" / stage / "checkpoints").iterdir()), "nothing was saved"
    assert gone(children), "a child outlived its parent"
    assert not (here / RUN / "done.json").exists(), "it was over before it was stopped: the test shows nothing"


@pytest.mark.parametrize(
    "blows",
    [
        [
            ("kill parent", "warmup", 25),
            ("SIGTERM", "train", 1),
            ("kill child", "train", 3),
            ("kill parent", "eval", 0),
        ],
        [("kill child", "warmup", 45), ("kill parent", "train", 1), ("SIGINT", "train", 2)],
    ],
)
def test_stopped_in_many_ways_the_same_command_ends_the_same(
    finished: Path, tmp_path: Path, blows: list[tuple[str, str, int]]
) -> None:
    for blow in blows:
        strike(tmp_path, *blow)
    again = sgpo(*COMMAND, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    straight, resumed = outcome(finished), outcome(tmp_path)
    for part, told_straight in straight.items():
        assert told_straight == resumed[part], part


def test_a_locked_run_is_refused(finished: Path, tmp_path: Path) -> None:
    process = start(*COMMAND, cwd=tmp_path)
    try:
        wait_for(tmp_path, "warmup", 1, process)
        other = sgpo(*COMMAND, cwd=tmp_path)
        assert other.returncode == 2
        assert "locked" in other.stderr and str(process.pid) in other.stderr
    finally:
        process.kill()
        process.communicate()
