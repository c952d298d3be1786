"""What weighing the judge changes in a plan: calls, inputs, fingerprints."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgpo_cli.pipeline.judge_cost import judge_cost, measuring_calls
from sgpo_cli.pipeline.plan import Plan, compile_recipe
from sgpo_cli.recipe.load import load_recipe


def plan(*overrides: str, recipe: str = "tiny_sgpo") -> Plan:
    return compile_recipe(load_recipe(recipe, list(overrides)))


def train_mark(*overrides: str) -> str:
    stage = plan(*overrides).stage("train")
    assert stage is not None
    return stage.fingerprint


def test_calls_to_measure_the_judge_by_hand(here: Path) -> None:
    """100 steps of at most 8 mixed groups of 8 rollouts, or of all 32 groups; never more than there are rollouts."""
    recipe = plan().recipe
    assert measuring_calls(recipe, "train") == 100 * 8 * 8
    assert judge_cost(recipe, "train", problem_tokens=12) == {"judge_calls": 25600, "judge_measuring": 6400}
    assert judge_cost(recipe, "judge", problem_tokens=12) == {"judge_calls": 1024}
    assert measuring_calls(plan("rescue.trust.budget=99").recipe, "train") == 25600
    assert "judge_measuring" not in judge_cost(plan("rescue.trust=null").recipe, "train", problem_tokens=12)
    assert measuring_calls(plan(recipe="tiny_grpo").recipe, "train") == 0
    assert measuring_calls(plan(recipe="tiny_judged_guidance").recipe, "train") == 0


def test_training_reads_what_the_judge_stage_saw(here: Path) -> None:
    stage = plan().stage("train")
    assert stage is not None and stage.inputs["judged"] == "runs/tiny_sgpo/stages/judge"
    for other in (plan("rescue.trust=null"), plan(recipe="tiny_grpo"), plan(recipe="tiny_judged_guidance")):
        stage = other.stage("train")
        assert stage is not None and set(stage.inputs) == {"policy"}


@pytest.mark.parametrize("change", ["judge.measure=512", "rescue.trust.gain=3", "rescue.trust=null"])
def test_a_change_of_the_evidence_trains_anew(here: Path, change: str) -> None:
    assert train_mark() != train_mark(change)


def test_without_trust_the_judges_measurement_changes_no_training(here: Path) -> None:
    assert train_mark("rescue.trust=null") == train_mark("rescue.trust=null", "judge.measure=512")


def test_the_spoilt_judge_is_part_of_the_fingerprint(here: Path) -> None:
    (here / "judges").mkdir(exist_ok=True)
    card = here / "judges" / "bad.yaml"
    card.write_text("kind: noise\njudge: own\nnoise: flip\nprobability: 0.1\n")
    (here / "judges" / "own.yaml").write_text("kind: arithmetic\n")
    first = train_mark("judge.card=bad")
    (here / "judges" / "own.yaml").write_text("kind: arithmetic\nplaces: 0.5\n")
    assert train_mark("judge.card=bad") != first
