"""vLLM's share of a device: a stage in which it would not start does not fit, and no proposal leaves it so."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from sgpo_cli.pipeline.cost.estimate import estimate, size_of
from sgpo_cli.pipeline.cost.fit import next_smaller, smallest_changes, too_large
from sgpo_cli.pipeline.plan import compile_recipe
from sgpo_cli.recipe.find import list_cards
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe
from tests.tiny import REPOSITORY

GIB = 2**30
SHARDED = ["launch.device=a100-40gb", "launch.strategy=fsdp2", "data.heldout=0"]


@pytest.fixture(autouse=True)
def _there(here: Path) -> None:
    pass


def stages_of(name: str, *overrides: str) -> tuple[Recipe, list[str]]:
    loaded = load_recipe(name, list(overrides))
    return loaded.recipe, [stage.kind for stage in compile_recipe(loaded).stages]


def test_what_vllm_needs_by_hand() -> None:
    """Qwen2.5-7B in bfloat16: its weights, a layer's work on 4,096 tokens, and 56 KiB a token of the 32,768."""
    recipe, _ = stages_of("qwen7b_sgpo", "launch.device=h100-80gb")
    told = estimate(recipe, "train")["memory"]["vllm"]
    assert told["share_gib"] == pytest.approx(0.3 * 79.6, abs=0.01)
    assert told["weights_gib"] == pytest.approx(7_615_616_512 * 2 / GIB, abs=0.01)
    assert told["tried_gib"] == pytest.approx(4096 * 3 * (3584 + 18944) * 2 / GIB, abs=0.01)
    assert (told["tokens"], told["cache_gib"]) == (32_768, pytest.approx(32_768 * 57_344 / GIB, abs=0.01))
    short, _ = stages_of("qwen7b_sgpo", "launch.device=h100-80gb", "trainer.trl={vllm_max_model_length: 4096}")
    assert estimate(short, "train")["memory"]["vllm"]["cache_gib"] == pytest.approx(0.22, abs=0.01)


def test_a_share_that_is_too_small_does_not_fit_whatever_the_sum_is() -> None:
    recipe, kinds = stages_of("qwen7b_sgpo", *SHARDED)
    told = estimate(recipe, "train")
    assert told["memory_gib"] < told["memory"]["has_gib"] and told["memory"]["fits"] is False
    [warning] = too_large(recipe, kinds)
    assert "stage train will not fit: vLLM's share of a100-40gb is 11.8 GiB, 4.6 too few" in warning.what
    assert "weights 14.2" in warning.what and "32,768 tokens" in warning.what
    enough, _ = stages_of("qwen7b_sgpo", *SHARDED, "trainer.trl.vllm_gpu_memory_utilization=0.45")
    size = size_of(enough, "train")
    assert size is not None and size.starts


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("qwen7b_sgpo", ["launch.device=a100-40gb"]),
        ("qwen7b_sgpo", SHARDED),
        ("qwen7b_sgpo", ["launch.device=rtx5090-32gb"]),
        ("qwen7b_sgpo", ["launch.device=a10g-24gb"]),
        ("qwen7b_sgpo", ["launch.device=l40s-48gb"]),
        ("qwen14b_grpo", ["launch.device=l40s-48gb"]),
        ("qwen14b_grpo", ["launch.device=rtx4090-24gb"]),
        ("r1_distill_qwen7b_sgpo", ["launch.device=rtx4090-24gb"]),
        ("qwen32b_grpo", ["launch.device=a100-40gb"]),
        ("qwen3_4b_base_grpo", ["launch.device=rtx3090-24gb"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0].rpartition("=")[2] + f"+{len(value) - 1}",
)
def test_what_is_proposed_makes_every_stage_fit_as_it_is_typed(name: str, overrides: list[str]) -> None:
    recipe, kinds = stages_of(name, *overrides)
    found = too_large(recipe, kinds)
    assert found
    for line in {line for one in found for line in str(one.fix).splitlines()}:
        typed = shlex.split(line.partition(" with: ")[2])
        assert typed, line
        there, stages = stages_of(name, *overrides, *typed)
        assert too_large(there, stages) == [], line


def test_shipped_recipes_start_where_they_are_meant_to_run() -> None:
    meant = 0
    for card in list_cards("recipes"):
        if card.path.parent != REPOSITORY / "recipes" or load_recipe(card.path).recipe.launch.device is None:
            continue
        recipe, kinds = stages_of(str(card.path))
        assert too_large(recipe, kinds) == [], card.name
        meant += 1
    assert meant > 15


def test_a_single_step_down_leaves_vllm_what_it_needs() -> None:
    """0.25 of 79.6 GiB is more than the 16.5 that it needs; 0.25 of 44.5 is not, and no way out."""
    large, _ = stages_of("qwen7b_sgpo", "launch.device=h100-80gb", "trainer.micro_batch=1")
    assert next_smaller(large, ["train"]) == ["trainer.trl.vllm_gpu_memory_utilization=0.25"]
    small, _ = stages_of("qwen7b_sgpo", "launch.device=l40s-48gb", "trainer.micro_batch=1",
                         "trainer.trl.vllm_gpu_memory_utilization=0.4")  # fmt: skip
    assert "vllm_gpu_memory_utilization" not in " ".join(next_smaller(small, ["train"]) or [])


def test_transformers_is_no_way_out_beside_keys_that_only_vllm_reads() -> None:
    for name, said in (("qwen7b_sgpo", True), ("r1_distill_qwen7b_sgpo", False)):
        recipe, kinds = stages_of(name, "launch.device=rtx5090-32gb")
        assert ("generation.engine=transformers" in (smallest_changes(recipe, kinds) or [])) == said


def test_one_proposal_is_for_all_stages() -> None:
    """Training alone would fit an a10g-24gb in other ways; the evaluation of 14 billion weights does not."""
    recipe, kinds = stages_of("qwen14b_grpo", "launch.device=a10g-24gb")
    train, evaluation = too_large(recipe, kinds)
    assert "stage train" in train.what and "stage eval" in evaluation.what
    assert train.fix == evaluation.fix and str(train.fix).startswith("every stage would fit with: launch.device=")


def test_an_evaluation_by_vllm_needs_room_for_the_models_longest_sequence() -> None:
    recipe, kinds = stages_of("r1_distill_qwen7b_sgpo", "launch.device=a10g-24gb")
    told = {one.what.split()[1]: one.what for one in too_large(recipe, kinds)}
    assert "131,072 tokens" in told["eval"] and "10,240 tokens" in told["train"]
