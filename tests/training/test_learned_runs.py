"""Recipes that train a judge: alone, below its floor, from a wrong file.

The stages run in this process, one after another; tests/cli runs them in processes of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sgpo_cli.cli.main import app
from sgpo_cli.errors import RecipeError, SgpoError
from sgpo_cli.pipeline.launch import in_process
from sgpo_cli.pipeline.plan import compile_recipe
from sgpo_cli.pipeline.run import run_plan
from sgpo_cli.recipe.load import load_recipe

ALONE = """judge:
  card: learned
  train: {scratch: {layers: 1, hidden_size: 32, heads: 2, intermediate_size: 32, context: 512}, labels: labels.jsonl,
          steps: 6, batch_size: 8, least: 20, heldout: 0.3, save_every: 5}
"""


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_plan.__kwdefaults__ is not None
    monkeypatch.setitem(run_plan.__kwdefaults__, "launcher", in_process)


def _labels(here: Path, count: int = 40, **changes: Any) -> None:
    rows = []
    for a in range(count):
        off = a % 2
        steps = [f"{a} + 4 = {a + 4 + off}.", f"So {a + 4 + off}."]
        rows.append({"problem": f"What is {a} + 4?", "steps": steps, "first_error": 0 if off else -1} | changes)
    (here / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _refused(*arguments: str) -> SgpoError:
    done = _invoke(*arguments)
    assert isinstance(done.exception, SgpoError), (done.output, done.exception)
    return done.exception


def test_a_judge_section_alone(here: Path) -> None:
    _labels(here)
    (here / "alone.yaml").write_text(ALONE)
    done = _invoke("train", "alone.yaml")
    assert done.exit_code == 0, (done.output, done.exception)
    stages = here / "runs/alone/stages"
    told = json.loads((stages / "judge/judge.json").read_text())
    sizes = {
        name: len((stages / f"judge_train/{name}.jsonl").read_text().splitlines()) for name in ("labels", "heldout")
    }
    assert sum(sizes.values()) == 40 and sizes["heldout"] == told["closeness"]["n"] > 0
    assert told["measured_on"] == "held-out labels" and 0 <= told["closeness"]["exact"] <= 1
    assert told["closeness"]["exact_ci95"][0] <= told["closeness"]["exact"] <= told["closeness"]["exact_ci95"][1]
    assert not (stages / "train").exists() and (here / "runs/alone/report.html").exists()
    assert all(stage.status() == "skip" for stage in compile_recipe(load_recipe("./alone.yaml")).stages)

    assert told["floor"] is None and "GRPO" not in (here / "runs/alone/report.html").read_text()
    assert (
        "Judge learned, trained on labels.jsonl: 6 steps of 8 responses"
        in (here / "runs/alone/report.html").read_text()
    )

    # Another floor measures anew and trains nothing: the judge is shared. Below it the run stops.
    other = compile_recipe(load_recipe("./alone.yaml", ["name=high"]))
    assert [stage.status() for stage in other.stages] == ["skip", "run", "run"]
    made = (stages / "judge_train/final/model.safetensors").stat().st_mtime_ns
    problem = _refused("train", "alone.yaml", "name=high", "judge.floor={exact: 1.0, f1: null, correlation: 0.999}")
    assert problem.exit_code == 1 and "below its floor: exact first errors" in problem.what
    assert json.loads((here / "runs/high/stages/judge/judge.json").read_text())["floor"] == {
        "exact": 1,
        "correlation": 0.999,
    }
    shared = here / "runs/high/stages/judge_train"
    assert shared.is_symlink() and (shared / "final/model.safetensors").stat().st_mtime_ns == made

    # What was trained is a judge like any other.
    card = "runs/alone/stages/judge_train/card.yaml"
    done = _invoke("judge", "labels.jsonl", "--out", "out.jsonl", "--judge", card, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    assert len((here / "out.jsonl").read_text().splitlines()) == 40


@pytest.mark.parametrize("command", ["plan", "train"])
def test_a_wrong_file_is_told_before_anything_runs(here: Path, command: str) -> None:
    (here / "alone.yaml").write_text(ALONE)
    _labels(here, first_error=2)
    problem = _refused(command, "alone.yaml")
    assert problem.exit_code == 2 and "first_error is 2, of 2 steps" in problem.what
    assert str(problem.where).endswith("labels.jsonl:1")
    _labels(here, count=10)
    assert "too few to train a judge" in _refused(command, "alone.yaml").what
    assert not (here / "runs").exists()


def test_what_its_model_cannot_read_is_left_out_and_told(here: Path) -> None:
    """Longer than the context: learned from it would be abstained on for ever."""
    _labels(here)
    with (here / "labels.jsonl").open("a") as file:
        for a in range(8):
            long = {"problem": f"p{a}", "steps": ["a" * 100], "first_error": 0}
            file.write(json.dumps(long) + "\n")
    (here / "short.yaml").write_text(ALONE.replace("context: 512", "context: 96"))
    assert "scratch.context 96 is below judge.train.max_length" in " ".join(
        _invoke("plan", "short.yaml").output.split()
    )
    done = _invoke("train", "short.yaml", "--until", "judge_train")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "longer than 96 tokens" in " ".join(done.output.split())


MISTAKES = {
    "judge: {card: arithmetic}": "neither trains the judge nor has data to measure it on",
    "judge: {card: learned, train: {label_with: arithmetic}}": "has no labels, and a recipe without a policy",
    "judge: {card: learned, train: {labels: labels.jsonl}}": "judge.train has no model",
    "extends: tiny_sgpo\njudge: {card: learned}": "there is no judge.train",
    "extends: tiny_sgpo\njudge: {train: {label_with: hops_oracle}}": "judge.card hops_oracle does not use it",
    "extends: tiny_sgpo\njudge: {card: learned, train: {}}": "neither labels nor a judge that labels rollouts",
    "extends: tiny_sgpo\njudge: {card: learned, train: {labels: labels.jsonl, refresh_every: 5}}": "names nobody",
    "extends: tiny_sgpo\njudge: {card: learned, train: {label_with: learned}}": "is the judge that is trained",
    "extends: tiny_sgpo\njudge: {card: ./spoilt.yaml}": "there is no judge.train",
    "extends: tiny_sgpo\njudge: {floor: {f1: null}}": "judge.floor asks for nothing",
    "extends: tiny_sgpo_offline\noffline: {problems: 8}": "less than one step takes",
    "extends: tiny_sgpo_offline\nguidance: {kind: fixed, length: 3, loss_on_prefix: false}": "an offline recipe makes",
    ALONE.replace("heldout: 0.3", "heldout: 0") + "  floor: {f1: 0.5}\n": "judge.train.heldout sets none aside",
}


@pytest.mark.parametrize("text", list(MISTAKES), ids=lambda text: MISTAKES[text])
def test_what_cannot_work_is_a_mistake_of_the_recipe(here: Path, text: str) -> None:
    _labels(here)
    (here / "spoilt.yaml").write_text("kind: noise\njudge: learned\nnoise: flip\nprobability: 0.2\n")
    (here / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe("./mine.yaml")
    assert any(MISTAKES[text] in mistake.what for mistake in caught.value.mistakes), caught.value.mistakes


def test_what_a_judge_depends_on(here: Path) -> None:
    """Its fingerprint follows labels, settings and warm start, not the floor, the seed or what happens during RL."""

    def marks(*overrides: str) -> dict[str, str]:
        plan = compile_recipe(load_recipe("tiny_sgpo_learned", overrides))
        return {stage.kind: stage.fingerprint for stage in plan.stages}

    usual = marks()
    assert marks("judge.floor=null")["judge_train"] == usual["judge_train"]
    assert marks("judge.floor=null")["train"] == usual["train"] and marks("judge.floor=null")["judge"] != usual["judge"]
    for same in ("seed=1", "judge.train.refresh_every=5", "trainer.steps=7", "judge.measure=8"):
        assert marks(same)["judge_train"] == usual["judge_train"], same
    assert marks("judge.train.refresh_every=5")["train"] != usual["train"]
    for other in ("judge.train.seed=1", "warmup.seed=1", "judge.train.rollouts=9", "judge.train.label_with=arithmetic"):
        changed = marks(other)
        assert changed["judge_train"] != usual["judge_train"] and changed["train"] != usual["train"], other
