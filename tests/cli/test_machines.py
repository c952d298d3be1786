"""Two machines: here two processes of this one, which know of each other only what a cluster would tell them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.pipeline import meeting, run
from sgpo_cli.pipeline.machines import Place, place_of
from sgpo_cli.pipeline.meeting import Meeting
from sgpo_cli.pipeline.plan import Plan, compile_recipe
from sgpo_cli.pipeline.run import run_plan
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Launch
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
    assert "machine 1 of 2 waits for the first one" in second
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


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("NODE_RANK", "x", "NODE_RANK=x: no machine of 2"),
        ("NODE_RANK", "2", "NODE_RANK=2: no machine of 2"),
        ("MASTER_PORT", "x", "MASTER_PORT=x: no port"),
        ("MASTER_PORT", "99999", "MASTER_PORT=99999: no port"),
        ("MASTER_ADDR", "", "MASTER_ADDR is not set"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    for key, good in {"NODE_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(key, good)
    assert place_of(Launch(engine="torchrun", nodes=2)) == Place(1, "127.0.0.1", 29500)
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        place_of(Launch(engine="torchrun", nodes=2))
    assert told in caught.value.what and caught.value.fix


def planned(*overrides: str) -> Plan:
    return compile_recipe(load_recipe("tiny_sgpo", ["launch.nodes=2", "launch.engine=torchrun", *overrides]))


@pytest.fixture
def eager(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks whenever it is asked to, and never sleeps."""
    monkeypatch.setattr(meeting, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(run, "_LOOK_EVERY_S", 0.0)


def test_machines_that_were_asked_for_different_things_both_stop(eager: None) -> None:
    first = Meeting(planned("trainer.steps=7"), Place(0, "a", 1), print)
    second = Meeting(planned("launch.processes=2"), Place(1, "a", 1), print)
    first.look()
    second.look()
    with pytest.raises(UserError) as one:
        first.look()
    assert "machine 1" in one.value.what and "trainer.steps: 100 there, 7 here" in one.value.what
    assert "launch.processes: 2 there, 1 here" in one.value.what
    first.leave()
    with pytest.raises(UserError, match=r"trainer\.steps: 7 there, 100 here"):
        second.look()


def test_what_an_earlier_attempt_left_says_nothing_and_a_stray_stops_nobody(eager: None) -> None:
    stray = Meeting(planned("trainer.steps=7"), Place(1, "a", 1), print)
    stray.look()
    first, second = (Meeting(planned(), Place(rank, "a", 1), print) for rank in (0, 1))
    for _ in range(3):
        first.look()
    second.look()
    first.look()
    with pytest.raises(UserError):
        stray.look()
    first.look()


def test_a_machine_says_what_it_waits_for_and_how_long(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    first, second = Meeting(planned(), Place(0, "a", 1), said.append), Meeting(planned(), Place(1, "a", 1), said.append)
    now = [0.0]
    monkeypatch.setattr(meeting.time, "monotonic", lambda: now[0])
    for now[0] in (1.0, 30.0, 125.0):
        second.look()
        second.say_waiting(second.what_followers_wait_for())
    assert len(said) == 2 and said[0].startswith("machine 1 of 2 waits for the first one") and "not seen yet" in said[0]
    assert str(Path("runs/tiny_sgpo").absolute()) in said[0] and "waits (2 min now) for" in said[1]
    for now[0] in (200.0, 201.0, 202.0):
        first.look()
        first.say_who_is_missing()
    assert "waits for machine 1, not seen yet" in said[-1] and len(said) == 3
    for now[0] in (300.0, 301.0):
        second.look()
        first.look()
    first.say_who_is_missing()
    assert len(said) == 3, "it is there"


def test_a_plan_for_several_machines_looks_at_the_others(eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first while its stages run, another while it waits; who is left behind does not wait for ever."""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setenv("NODE_RANK", "0")
    other = Meeting(planned("trainer.steps=7"), Place(1, "a", 1), print)

    def launcher(*_: Any, watch: Any = None, **__: Any) -> None:
        for _ in range(3):
            other._tell(ended=False)
            watch()

    with pytest.raises(UserError, match=r"trainer\.steps: 7 there, 100 here"):
        run_plan(planned(), launcher=launcher)
    monkeypatch.setenv("NODE_RANK", "1")
    said: list[str] = []
    first = Meeting(planned(), Place(0, "a", 1), print)

    def say(text: str) -> None:
        said.append(text)
        first.look()
        if len(said) == 2:
            first.leave()

    with pytest.raises(RunFailed, match="did not come to stage train"):
        run_plan(planned(), say=say, launcher=launcher)
    assert "not seen yet" in said[0] and "it is there" in said[1]


def test_after_a_restart_what_lies_there_is_not_taken_for_the_new_attempt(
    eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the others would leave, or start, before the first machine has forgotten it."""
    for name, value in {"NODE_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    plan, first = planned(), Meeting(planned(), Place(0, "a", 1), print)
    stage = plan.stage("train")
    assert stage is not None
    run._prepare(plan, stage)
    waited: list[str] = []

    def say(text: str) -> None:
        waited.append(text)
        first.look()

    started: list[int] = []
    run_plan(plan, say=say, restart=True, launcher=lambda *_, **__: started.append(len(waited)))
    run_plan(plan, say=say, launcher=lambda *_, **__: started.append(len(waited)))
    assert started == [2, 2] and "not seen yet" in waited[0] and "it is there" in waited[1]
