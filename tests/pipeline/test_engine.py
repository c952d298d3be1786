"""A run whose engine is not installed does not begin; a smoke run does without it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.preflight import check_engine
from sgpo_cli.pipeline.smoke import shrink
from sgpo_cli.recipe.load import load_recipe


def test_without_vllm_a_run_is_refused_and_a_smoke_run_is_not(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "vllm" else find(name))
    loaded = load_recipe("tiny_guided_fixed", ["generation.engine=vllm", "trainer.trl.vllm_gpu_memory_utilization=0.5"])
    with pytest.raises(UserError, match="vllm is not installed") as caught:
        check_engine(loaded.recipe)
    assert "sgpo-cli[vllm]" in str(caught.value.fix) and caught.value.where == "generation.engine"
    small, changes = shrink(loaded)
    check_engine(small.recipe)
    assert small.recipe.generation.engine == "transformers"
    assert "generation: transformers, not vllm" in changes
    assert "vllm_gpu_memory_utilization" not in small.recipe.trainer.trl
    assert small.recipe.trainer.trl["loss_type"] == loaded.recipe.trainer.trl["loss_type"]
