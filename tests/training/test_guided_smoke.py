"""`sgpo train RECIPE --smoke` of every guided recipe: every stage ends, and rollouts really were given tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sgpo_cli.cli.main import app
from sgpo_cli.pipeline.launch import in_process
from sgpo_cli.pipeline.run import run_plan
from sgpo_cli.recipe.load import load_recipe

RECIPES = sorted(path.stem for path in (Path(__file__).parents[2] / "recipes").glob("*.yaml"))
GUIDED = [name for name in RECIPES if load_recipe(name).recipe.guidance.kind != "none"]


def test_these_recipes_have_guidance() -> None:
    named = {"tiny_guided_fixed", "tiny_guided_linear", "tiny_g2rpoa", "tiny_sgpo_g2rpoa", "tiny_judged_guidance"}
    assert named | {"gsm8k_g2rpoa_tiny"} <= set(GUIDED)


@pytest.mark.parametrize("name", GUIDED)
def test_a_smoke_run_is_guided(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages run in this process, one after another: five imports of torch a recipe would take half a minute."""
    assert run_plan.__kwdefaults__ is not None
    monkeypatch.setitem(run_plan.__kwdefaults__, "launcher", in_process)
    done = CliRunner().invoke(app, ["train", name, "--smoke"])
    assert done.exit_code == 0, done.output
    run = here / "runs" / f"{name}-smoke"
    assert (run / "report.html").exists()
    rows = [json.loads(line) for line in (run / "stages/train/rollouts.jsonl").read_text().splitlines()]
    told = [json.loads(line) for line in (run / "stages/train/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in told] == [1, 2]
    given = [row for row in rows if row["prefix_tokens"] > 0]
    assert given and all(row["guidance"]["tokens"] for row in told)
    assert {row["sample"] for row in given} == {0}, "one of four, the first"
    assert len(given) == sum(row["groups"]["guided"] for row in told)
    assert all(0 < row["prefix_end"] <= len(row["response"]) for row in given)
