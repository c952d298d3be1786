"""An interrupted stage is planned from where it would go on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sgpo_cli.display.console import THEME
from sgpo_cli.display.plan import plan_table
from sgpo_cli.pipeline.plan import Plan, as_json, compile_recipe
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.runs.files import write_json
from sgpo_cli.training.checkpoints import Position, mark_complete

FORTY = ["trainer.steps=40", "trainer.eval_every=0", "data.heldout=0"]


def plan() -> Plan:
    return compile_recipe(load_recipe("tiny_sgpo", FORTY))


def estimates(made: Plan) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage["estimate"] for stage in as_json(made)["stages"]}


def begun(made: Plan, name: str) -> Path:
    """The checkpoints of a stage that was begun with the plan's recipe."""
    stage = made.stage(name)
    assert stage is not None
    stage.home.mkdir(parents=True)
    write_json(stage.dir.config, {"fingerprint": stage.fingerprint})
    return stage.dir.checkpoints


@pytest.fixture
def ten_done(here: Path) -> Plan:
    """Killed in training after step 10, while the checkpoint of step 20 was being written."""
    made = plan()
    folder = begun(made, "train")
    for step in (5, 10, 20):
        (folder / f"checkpoint-{2 * step}").mkdir(parents=True)
    for step in (5, 10):
        mark_complete(folder / f"checkpoint-{2 * step}", Position(step, None, None, None, None))
    return made


def test_training_is_planned_from_its_checkpoint(ten_done: Plan) -> None:
    whole = estimates(compile_recipe(load_recipe("tiny_sgpo", [*FORTY, "name=other"])))["train"]
    left = estimates(ten_done)["train"]
    assert left["steps"] == {"left": 30, "of": 40} and "steps" not in whole
    assert left["judge_calls"] == whole["judge_calls"] * 30 / 40
    for tokens in ("sampled", "sampled_at_most", "trained"):
        assert left["tokens"][tokens] == whole["tokens"][tokens] * 30 / 40
    assert left["seconds"][1] < whole["seconds"][1]
    assert left["memory_gib"] == whole["memory_gib"] and left["disk_gib"] == whole["disk_gib"]


def test_it_is_said(ten_done: Plan) -> None:
    console = Console(file=io.StringIO(), width=80, theme=THEME)
    console.print(plan_table(as_json(ten_done)))
    assert "train: 30 of 40 steps left" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_warm_up_is_planned_from_its_checkpoint(here: Path) -> None:
    made = plan()
    whole = estimates(made)["warmup"]
    folder = begun(made, "warmup") / "checkpoint-200"
    folder.mkdir(parents=True)
    assert "steps" not in estimates(made)["warmup"], "half a checkpoint is none"
    (folder / "complete").write_text("")
    left = estimates(made)["warmup"]
    assert left["steps"] == {"left": 120, "of": 320}
    assert left["tokens"]["trained"] == whole["tokens"]["trained"] * 120 / 320


def test_a_stage_that_would_begin_anew_is_planned_whole(ten_done: Plan) -> None:
    other = compile_recipe(load_recipe("tiny_sgpo", [*FORTY, "trainer.learning_rate=1e-5"]))
    assert "steps" not in estimates(other)["train"]
