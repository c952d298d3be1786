"""The compile: which stages, what their fingerprints depend on, what is shared and skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.plan import Plan, as_json, compile_recipe
from sgpo_cli.recipe.load import load_recipe


def plan(*overrides: str, recipe: str = "tiny_sgpo") -> Plan:
    return compile_recipe(load_recipe(recipe, list(overrides)))


def marks(made: Plan) -> dict[str, str]:
    return {stage.name: stage.fingerprint for stage in made.stages}


def test_stages_come_in_order_and_only_those_needed(here: Path) -> None:
    assert [s.name for s in plan().stages] == ["warmup", "judge", "train", "eval", "report"]
    assert [s.name for s in plan(recipe="tiny_grpo").stages] == ["warmup", "train", "eval", "report"]
    assert [s.name for s in plan("benchmarks=[]").stages] == ["warmup", "judge", "train", "report"]
    assert [s.name for s in plan(recipe="qwen7b_sgpo").stages] == ["judge", "train", "eval", "report"]


def test_grpo_and_sgpo_share_a_warm_start(here: Path) -> None:
    one, two = plan().stage("warmup"), plan(recipe="tiny_grpo").stage("warmup")
    assert one is not None and two is not None
    assert one.fingerprint == two.fingerprint and one.home == two.home and one.shared
    assert one.home == Path("runs/.shared") / one.fingerprint


@pytest.mark.parametrize("free", ["name=other", "launch.threads=2", "trainer.keep=9"])
def test_what_changes_no_result_changes_no_fingerprint(here: Path, free: str) -> None:
    assert marks(plan()) == marks(plan(free))


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ("warmup.steps=321", "warmup"),
        ("data.hops.facts_seed=1", "warmup"),
        ("judge.floor.f1=.7", "judge"),
        ("rescue.beta=4", "train"),
        ("trainer.learning_rate=1e-4", "train"),
        ("trainer.trl.epsilon=.3", "train"),
        ("benchmarks.0.k=3", "eval"),
    ],
)
def test_a_change_redoes_what_depends_on_it_and_no_more(here: Path, change: str, first: str) -> None:
    before, after = marks(plan()), marks(plan(change))
    names = list(before)
    changed = [name for name in names if before[name] != after[name]]
    assert first in changed and names.index(changed[0]) == names.index(first)
    if first == "judge":
        assert "train" not in changed  # the floor decides whether to train, not how


def test_the_seed_leaves_the_warm_start_alone(here: Path) -> None:
    before, after = marks(plan()), marks(plan("seed=1"))
    assert before["warmup"] == after["warmup"] and before["train"] != after["train"]


def test_local_data_counts_by_content(here: Path) -> None:
    rows = here / "rows.jsonl"
    rows.write_text('{"problem": "1+1", "answer": "2"}\n' * 8)
    overrides = [f"data.source={rows}", "data.heldout=0", "reward=[{kind: math}]"]
    before = marks(plan(*overrides, recipe="qwen7b_sgpo"))
    assert before == marks(plan(*overrides, recipe="qwen7b_sgpo"))
    rows.write_text('{"problem": "1+2", "answer": "3"}\n' * 8)
    assert before["train"] != marks(plan(*overrides, recipe="qwen7b_sgpo"))["train"]


def test_plan_json_has_the_contracts_keys(here: Path) -> None:
    told = as_json(plan())
    assert told["warnings"] == []
    for stage in told["stages"]:
        assert stage.keys() >= {"name", "kind", "fingerprint", "status", "inputs", "outputs", "estimate"}
        assert stage["status"] == "run"
        assert stage["estimate"].keys() >= {"seconds", "memory_gib", "judge_calls"}
        low, high = stage["estimate"]["seconds"]
        assert 0 < low < high
    assert told["stages"][2]["estimate"]["judge_calls"] == 100 * 32 * 8


def test_compiling_writes_nothing(here: Path) -> None:
    as_json(plan())
    assert list(here.iterdir()) == []


def test_until_names_a_stage_of_the_recipe(here: Path) -> None:
    from sgpo_cli.pipeline.run import run_plan

    with pytest.raises(UserError, match="no such stage"):
        run_plan(plan(), until="judg")
