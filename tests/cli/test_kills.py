"""Killed at any moment, the same command ends as if nothing had been; and no child is left behind."""

from __future__ import annotations

import json
import shutil
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


def wait_for(here: Path, stage: str, at_least: int, process: subprocess.Popen[str]) -> None:
    """Until `stage` has told of so many steps."""
    events = here / RUN / "stages" / stage / "events.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended before it could be killed: {process.stdout and process.stdout.read()}"
        if events.exists():
            told = [json.loads(line) for line in events.read_text().splitlines(keepends=True) if line.endswith("\n")]
            if any((event["step"] or 0) >= at_least and event["event"] in ("progress", "metrics") for event in told):
                return
            if at_least == 0 and told:
                return
        time.sleep(0.02)
    raise AssertionError(f"stage {stage} never came to step {at_least}")


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not alive


@pytest.mark.parametrize(
    ("whom", "stage", "step"),
    [
        ("parent", "warmup", 25),
        ("child", "warmup", 45),
        ("parent", "train", 2),
        ("child", "train", 3),
        ("parent", "eval", 0),
    ],
)
def test_kill_9_then_the_same_command(finished: Path, tmp_path: Path, whom: str, stage: str, step: int) -> None:
    if stage != "warmup":  # that warm start is already proven: begin behind it
        shutil.copytree(finished / "runs/.shared", tmp_path / "runs/.shared")
    process = start(*COMMAND, cwd=tmp_path)
    wait_for(tmp_path, stage, step, process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if whom == "parent":
        process.kill()
        process.wait()
    else:
        children[0].kill()
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 1 and "SIGKILL" in told
    assert gone(children), "a child outlived its parent"
    assert not (tmp_path / RUN / "done.json").exists(), "it was over before it was killed: the test shows nothing"
    again = sgpo(*COMMAND, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    straight, resumed = outcome(finished), outcome(tmp_path)
    for part, told_straight in straight.items():
        assert told_straight == resumed[part], part


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_polite_stop_saves_and_says_how_to_go_on(finished: Path, tmp_path: Path, number: int, code: int) -> None:
    shutil.copytree(finished / "runs/.shared", tmp_path / "runs/.shared")
    process = start(*COMMAND, cwd=tmp_path)
    wait_for(tmp_path, "train", 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert f"to go on: sgpo {' '.join(COMMAND)}" in told and "Traceback" not in told
    assert gone(children)
    assert list((tmp_path / RUN / "stages/train/checkpoints").iterdir()), "nothing was saved"
    assert sgpo(*COMMAND, cwd=tmp_path).returncode == 0
    assert outcome(tmp_path)["rollouts"] == outcome(finished)["rollouts"]


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
