"""What a plan says of a recipe that `sgpo train` would refuse, and that its advice can be typed."""

from __future__ import annotations

import importlib.util
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sgpo_cli.cli.main import app
from sgpo_cli.errors import UserError, placed
from sgpo_cli.pipeline.doctor import packages
from sgpo_cli.pipeline.machines import place_of
from sgpo_cli.pipeline.preflight import check_engine, check_targets, not_here
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Launch

SHARDED = ["launch.engine=accelerate", "launch.strategy=fsdp2", "data.heldout=0"]
LORA = "model.lora={rank: 4, targets: [q_proj]}"


@pytest.fixture(autouse=True)
def _bare(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No accelerator, and no DeepSpeed."""
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "deepspeed" else find(name))
    monkeypatch.setattr("sgpo_cli.pipeline.preflight.on_accelerator", lambda: False)


def planned(*words: str) -> list[dict[str, str]]:
    done = CliRunner().invoke(app, ["plan", *words, "--json"])
    assert done.exit_code == 0, done.output
    found: list[dict[str, str]] = json.loads(done.stdout)["warnings"]
    return found


def test_a_plan_says_that_sharding_is_refused_here() -> None:
    told = [one["what"] for one in planned("tiny_grpo", *SHARDED)]
    assert any("fsdp2 shards over accelerators, and there is none here" in what for what in told)
    with pytest.raises(UserError, match="shards over accelerators"):
        check_engine(load_recipe("tiny_grpo", SHARDED).recipe)
    assert not_here(load_recipe("tiny_grpo", [*SHARDED, "launch.device=h100-80gb"]).recipe) == [], "it is for another"
    assert not_here(load_recipe("tiny_grpo").recipe) == []


@pytest.mark.parametrize("overrides", [[], ["data.heldout=0"], [LORA]], ids=["measured", "not measured", "adapters"])
def test_advice_about_deepspeed_can_be_typed(overrides: list[str]) -> None:
    given = ["launch.engine=accelerate", "launch.strategy=zero2", *overrides]
    loaded = load_recipe("tiny_grpo", given)
    [warning] = [one for one in loaded.warnings if "DeepSpeed" in one.what]
    typed = shlex.split(str(warning.fix).partition(", or ")[2])
    assert typed and load_recipe("tiny_grpo", [*given, *typed]).recipe.launch.strategy in {"ddp", "fsdp2"}
    [finding] = [one for one in packages.wanted_by(loaded.recipe) if one.subject == "deepspeed"]
    assert finding.fix == warning.fix


def test_a_place_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for overrides in (SHARDED, ["launch.engine=accelerate", "launch.strategy=zero2"], ["track=[mlflow]"]):
        monkeypatch.setattr("sgpo_cli.recipe.rules.outside._installed", lambda module: False)
        with pytest.raises(UserError) as caught:
            check_engine(load_recipe("tiny_grpo", overrides).recipe)
        assert str(caught.value).partition("\n")[0].count(str(caught.value.where)) == 1, str(caught.value)
    with pytest.raises(UserError) as caught:
        place_of(Launch(engine="torchrun", nodes=2))
    assert str(caught.value).startswith("launch.nodes: 2, and this machine")
    done = CliRunner().invoke(app, ["plan", "tiny_grpo", *SHARDED])
    assert "launch.strategy: fsdp2" in done.output and "launch.strategy: launch.strategy" not in done.output
    assert placed("rewards are odd", "reward") == "reward" and placed("reward: odd", "reward") is None


def test_layers_that_the_model_does_not_have_are_found_by_the_plan() -> None:
    for name in ("tiny_grpo", "qwen3_1p7b_sgpo_lora"):
        with pytest.raises(UserError, match="no linear layer named nope, wqkv") as caught:
            check_targets(load_recipe(name, ["model.lora={rank: 4, targets: [q_proj, nope, wqkv]}"]).recipe)
        assert caught.value.where == "model.lora.targets" and "q_proj" in str(caught.value.fix)
        check_targets(load_recipe(name, [LORA]).recipe)
    Path("m").mkdir()
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
    odd = ["model={scratch: null, path: m}", "model.lora={rank: 4, targets: [wqkv]}"]
    for family, refused in (("phi3", False), ("qwen3", True)):
        Path("m/config.json").write_text(json.dumps({"model_type": family, "vocab_size": 9, **sizes}))
        done = CliRunner().invoke(app, ["plan", "qwen3_1p7b_sgpo_lora", *odd])
        assert isinstance(done.exception, UserError) == refused, "what is not known here is left to the stage"


def test_a_script_for_a_cluster_comes_with_its_warnings() -> None:
    words = ["plan", "qwen14b_grpo", "launch.device=l40s-48gb", "--slurm"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and done.stdout.startswith("#!/usr/bin/env bash\n")
    assert "stage train will not fit" in done.stderr and "will not fit" not in done.stdout
