"""Two machines: here two processes of this one, which know of each other only what a cluster would tell them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import SHORT_SGPO, environment, rows, sgpo

COMMAND = ["train", "tiny_sgpo", *SHORT_SGPO, "launch.nodes=2", "--until", "train"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.xdist_group("torchrun")
@pytest.mark.parametrize("engine", ["torchrun", "accelerate"])
def test_both_run_the_same_command_and_train_one_policy(finished: Path, tmp_path: Path, engine: str) -> None:
    shutil.copytree(finished / "runs/.shared", tmp_path / "runs/.shared")
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "sgpo_cli", *COMMAND, f"launch.engine={engine}"],
            cwd=tmp_path,
            env={**environment(), **meeting, "NODE_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("1", "0")
    ]
    second, first = (machine.communicate(timeout=180)[0] for machine in machines)
    assert [machine.returncode for machine in machines] == [0, 0], first + second
    assert "this machine's share of stage train is done" in second
    stage = tmp_path / "runs/tiny_sgpo/stages/train"
    assert [row["step"] for row in rows(stage / "metrics.jsonl")] == [1, 2, 3, 4]
    assert len(rows(stage / "rollouts.jsonl")) == 4 * 16, "one machine writes, once"
    assert (stage / "log-1.txt").exists() and (stage / "final/model.safetensors").exists()


def test_a_machine_that_is_not_needed_does_not_wait(tmp_path: Path) -> None:
    """Nothing before stage train is for any but the first: this one would wait for ever."""
    command = [*COMMAND[:-1], "warmup", "launch.engine=torchrun"]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "sgpo_cli", *command],
        cwd=tmp_path,
        env={**environment(), **meeting},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_machine_that_does_not_know_its_place_is_told_what_to_set(tmp_path: Path) -> None:
    told = sgpo(*COMMAND, "launch.engine=torchrun", cwd=tmp_path)
    assert told.returncode == 2 and "Traceback" not in told.stderr
    assert "NODE_RANK, MASTER_ADDR and MASTER_PORT" in told.stderr and "launch.nodes" in told.stderr
    assert not (tmp_path / "runs/tiny_sgpo/stages").exists()
