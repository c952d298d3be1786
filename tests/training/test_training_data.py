"""The job on problems from a file, asked as chat messages, graded as mathematics, judged by `arithmetic`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy

from sgpo_cli.errors import UserError
from sgpo_cli.generation.load import build_scratch, save_policy
from sgpo_cli.generation.standin import standin_tokenizer
from sgpo_cli.judging.registry import load_judge
from sgpo_cli.recipe.kinds import RewardFormat, RewardMath
from sgpo_cli.recipe.schema import Columns, Recipe, Scratch


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("talker") / "final"
    words = standin_tokenizer(chat=True)
    save_policy(
        build_scratch(Scratch(layers=1, hidden_size=16, heads=2, intermediate_size=32), words, 0), words, folder
    )
    return folder


def from_file(tmp_path: Path) -> Recipe:
    file = tmp_path / "problems.jsonl"
    rows = [{"q": f"What is {i}+{i}?", "a": str(2 * i), "hard": i} for i in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = toy.recipe(steps=2, max_completion_length=8)
    recipe.data.source = str(file)
    recipe.data.columns = Columns(problem="q", answer="a", difficulty="hard")
    recipe.data.prompt = "{problem} Think."
    recipe.data.heldout = 2
    recipe.model.system_prompt = "Be brief."
    recipe.reward = [RewardMath(), RewardFormat(weight=0.1, pattern=r"(?s).*[a-m]$")]
    return recipe


def test_file_chat_math_arithmetic(talker: Path, tmp_path: Path) -> None:
    recipe = from_file(tmp_path)
    assert recipe.judge is not None
    recipe.judge.max_abstained = 1.0
    run = toy.train(recipe, talker, tmp_path / "run", judge=load_judge("arithmetic", {}))
    metrics, rollouts = run.metrics(), run.rollouts()
    assert [row["step"] for row in metrics] == [1, 2]
    assert metrics[-1]["heldout"]["problems"] == 2
    assert metrics[-1]["heldout"]["steps_right"] is None
    assert metrics[0]["groups"]["truncated"] > 0
    assert {r["problem"] for r in rollouts} <= {f"What is {i}+{i}?" for i in range(10)}
    held = {r["id"] for r in rollouts}
    assert len(held) <= 8
    # Random bytes hold no equation: the judge finds nothing to check, and nothing is scored 0 for it.
    assert {r["reason"] for r in rollouts if r["verdict"] and r["response"].strip()} <= {
        "abstained",
        "alone",
        "rescued",
        "untrusted",
    }


def test_the_easiest_come_first_under_a_curriculum(talker: Path, tmp_path: Path) -> None:
    recipe = from_file(tmp_path)
    recipe.data.order = "curriculum"
    run = toy.train(recipe, talker, tmp_path / "run", judge=load_judge("arithmetic", {}))
    hard = [int(r["id"]) for r in run.rollouts() if r["sample"] == 0]
    assert hard == sorted(hard)


def test_a_context_too_short_is_told(talker: Path, tmp_path: Path) -> None:
    """512 positions, a token a byte: a prompt that leaves no room for the answer is a warning, one over it an error."""
    recipe = from_file(tmp_path)
    recipe.data.prompt = "{problem}" + " really" * 68
    run = toy.train(recipe, talker, tmp_path / "run", judge=load_judge("arithmetic", {}))
    assert any("positions" in event["data"].get("what", "") for event in run.events() if event["event"] == "warning")
    recipe.data.prompt = "{problem}" + " really" * 80
    with pytest.raises(UserError, match=r"this problem has .* tokens"):
        toy.train(recipe, talker, tmp_path / "other", judge=load_judge("arithmetic", {}))
