"""Two processes: groups split over them are still whole groups, rank 0 writes, and a kill leaves nobody behind."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import psutil
import pytest

from tests.cli.test_kills import events_of, gone, wait_for
from tests.tiny import SHORT_SGPO, rows, sgpo, start

COMMAND = ["train", "tiny_sgpo", *SHORT_SGPO, "launch.engine=torchrun", "launch.processes=2", "--until", "train"]


@pytest.mark.xdist_group("torchrun")
def test_train_under_torchrun_killed_and_resumed(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "runs/.shared", tmp_path / "runs/.shared")
    process = start(*COMMAND, cwd=tmp_path)
    wait_for(tmp_path, "train", 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 3, "torchrun and two workers"
    process.kill()
    process.wait()
    assert gone(children)

    # One rank alone: the parent names it, ends the others at once, and says how to go on.
    seen = events_of(tmp_path, "train").stat().st_size
    process = start(*COMMAND, cwd=tmp_path)
    wait_for(tmp_path, "train", 2, process, seen=seen)
    children = psutil.Process(process.pid).children(recursive=True)
    victim = json.loads((tmp_path / "runs/tiny_sgpo/stages/train/ranks/1.json").read_text())["pid"]
    psutil.Process(victim).kill()
    began = time.monotonic()
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and f"rank 1 (process {victim})" in told, told
    assert "the same command goes on" in told and "Traceback" not in told
    assert time.monotonic() - began < 10 and gone(children)
    done = sgpo(*COMMAND, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    stage = tmp_path / "runs/tiny_sgpo/stages/train"
    metrics, rollouts = rows(stage / "metrics.jsonl"), rows(stage / "rollouts.jsonl")
    assert [row["step"] for row in metrics] == [1, 2, 3, 4]
    assert len(rollouts) == 4 * 16
    for row in metrics:
        of_step = [r for r in rollouts if r["step"] == row["step"]]
        groups = {g: [r for r in of_step if r["group"] == g] for g in {r["group"] for r in of_step}}
        assert row["groups"]["total"] == len(groups) == 4
        for group in groups.values():
            assert len(group) == 4 and len({r["problem"] for r in group}) == 1, "a group is one problem's rollouts"
            if not any(r["outcome"] for r in group):
                # Rescued as a whole: the advantages of the whole group have mean 0, not those of each half.
                assert abs(sum(r["advantage"] for r in group)) < 1e-4
    assert sum(row["groups"]["rescued"] for row in metrics) > 0
