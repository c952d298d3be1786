"""Free disk against what a plan writes: told by plan, by doctor as an error."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sgpo_cli.cli.main import app
from sgpo_cli.pipeline.disk_room import disk_room, disk_warning
from sgpo_cli.pipeline.doctor import machine
from sgpo_cli.pipeline.plan import compile_recipe
from sgpo_cli.recipe.load import load_recipe

GIB = 2**30


@pytest.fixture
def free(here: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the disk says is free."""
    told = SimpleNamespace(free=200 * GIB)
    monkeypatch.setattr("shutil.disk_usage", lambda path: told)
    return told


def test_a_disk_that_is_too_small_is_told(free: SimpleNamespace) -> None:
    plan = compile_recipe(load_recipe("qwen7b_sgpo"))
    room = disk_room(plan)
    assert 300 < room.needs < 400 and not room.enough
    told = disk_warning(plan)
    assert told is not None and "200.0 are free here" in told.what and "trainer.keep=1" not in str(told.fix)
    free.free = 300 * GIB
    told = disk_warning(plan)
    assert told is not None and str(told.fix).endswith("; or trainer.keep=1")
    assert disk_warning(compile_recipe(load_recipe("qwen7b_sgpo", ["trainer.keep=1"]))) is None
    free.free = 500 * GIB
    assert disk_warning(plan) is None


def test_what_an_earlier_try_wrote_counts(free: SimpleNamespace) -> None:
    plan = compile_recipe(load_recipe("qwen7b_sgpo"))
    whole = disk_room(plan).needs
    stage = plan.stage("train")
    assert stage is not None
    stage.home.mkdir(parents=True)
    stage.dir.config.write_text(json.dumps({"fingerprint": stage.fingerprint}))
    with (stage.home / "weights").open("wb") as file:
        file.truncate(50 * GIB)  # a hole: nothing is written
    assert disk_room(plan).needs == pytest.approx(whole - 50, abs=0.1)


def test_the_plan_warns_and_doctor_refuses(free: SimpleNamespace) -> None:
    document = json.loads(CliRunner().invoke(app, ["plan", "qwen7b_sgpo", "--json"]).stdout)
    assert any("the run writes about" in warning["what"] for warning in document["warnings"])
    found = {finding.subject: finding for finding in machine.disk(load_recipe("qwen7b_sgpo"))}
    assert found["disk, recipe"].level == "error" and found["disk, recipe"].fix
    free.free = 500 * GIB
    found = {finding.subject: finding for finding in machine.disk(load_recipe("qwen7b_sgpo"))}
    assert found["disk, recipe"].level == "ok"
    assert {finding.subject for finding in machine.disk()} <= {"disk, runs", "disk, hub cache"}
