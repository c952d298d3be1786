"""Estimates against hand-worked numbers; the measured peaks are in docs/planning.md (benchmarks/memory_estimate.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgpo_cli.errors import RecipeError
from sgpo_cli.pipeline.architecture import KNOWN
from sgpo_cli.pipeline.cost import memory
from sgpo_cli.pipeline.cost.estimate import estimate
from sgpo_cli.pipeline.cost.fit import smallest_changes, too_large
from sgpo_cli.pipeline.cost.prompts import prompts_of
from sgpo_cli.pipeline.cost.shapes import adapter_parameters, weights_of
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Lora, Model, Recipe

GIB = 2**30
SEVEN = KNOWN["Qwen2.5-7B"]
TRAINED = ["judge", "train", "eval"]


def recipe(*overrides: str, name: str = "qwen7b_sgpo") -> Recipe:
    return load_recipe(name, list(overrides)).recipe


def parts(*overrides: str) -> dict[str, float]:
    told: dict[str, float] = estimate(recipe("launch.device=h100-80gb", *overrides), "train")["memory"]["parts"]
    return told


def test_weights_gradients_and_moments_by_hand() -> None:
    """7.616 B parameters in bfloat16: 14.19 GiB, as much for gradients, twice for AdamW's two moments."""
    told = parts()
    assert SEVEN.parameters() == 7_615_616_512
    assert told["weights"] == pytest.approx(7_615_616_512 * 2 / GIB, abs=1e-3)
    assert told["gradients"] == told["weights"]
    assert told["optimizer"] == pytest.approx(2 * told["weights"], abs=1e-3)


def test_sharding_divides_and_keeps_float32_copies() -> None:
    """ZeRO-2 on 8: whole weights, an eighth of the gradients, an eighth of 12 bytes a parameter."""
    two = parts("launch.engine=accelerate", "launch.strategy=zero2")
    assert two["weights"] == pytest.approx(14.185, abs=0.01)
    assert two["gradients"] == pytest.approx(14.185 / 8, abs=0.01)
    assert two["optimizer"] == pytest.approx(7_615_616_512 * 12 / 8 / GIB, abs=0.01)
    whole = ("launch.engine=accelerate", "launch.strategy=fsdp2", "data.heldout=0")
    three = parts(*whole)
    assert three["weights"] == pytest.approx(14.185 / 8, abs=0.01)
    twice = parts(*whole, "launch.nodes=2")
    assert twice["optimizer"] == pytest.approx(three["optimizer"] / 2, abs=0.01)


def test_a_reference_model_is_held_where_kl_is_asked_for() -> None:
    assert "reference model" not in parts()
    assert parts("trainer.trl.beta=0.04")["reference model"] == pytest.approx(14.185, abs=0.01)
    # With adapters the reference is the same weights, adapters switched off.
    assert "reference model" not in parts("trainer.trl.beta=0.04", "model.lora={rank: 16}")


def test_adapters_by_hand() -> None:
    """Rank 16 on all linear layers of one decoder layer of Qwen2.5-7B: 16 x (inputs + outputs), 28 layers."""
    h, kv, mlp = 3584, 512, 18944
    one = 16 * ((h + h) + 2 * (h + kv) + (h + h) + 2 * (h + mlp) + (mlp + h))
    assert adapter_parameters(Lora(), SEVEN) == 28 * one == 40_370_176
    assert adapter_parameters(Lora(targets=["q_proj"]), SEVEN) == 28 * 16 * 2 * h
    full, small = (weights_of(Model(lora=lora), SEVEN, accelerator=True) for lora in (None, Lora(quantize="4bit")))
    assert full.trained == full.total and small.trained == 40_370_176
    assert small.bytes < 0.45 * full.bytes


def test_activations_by_hand() -> None:
    """Counted by saved-tensor hooks: 12,554 numbers a token and layer in llama of width 512, 8 heads, MLP 1,792."""
    from sgpo_cli.pipeline.architecture import Shape

    llama = Shape("llama", 20, 512, 8, 8, 1792, 261, False, 64)
    assert memory.layer_activations(llama, 256, 4) / 4 == pytest.approx(12_554, rel=0.01)
    qwen3 = Shape("qwen3", 20, 512, 8, 4, 1792, 261, False, 64)
    assert memory.layer_activations(qwen3, 256, 4) / 4 == pytest.approx(14_102, rel=0.01)


def test_problems_are_measured_where_they_are(tmp_path: Path) -> None:
    rows = [{"problem": "x" * n, "answer": "1"} for n in (10, 20, 90)]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    own = recipe(
        f"data.source={data}", "data.heldout=0", "warmup={kind: none}", "benchmarks=[]", "judge=null",
        "rescue={kind: none}", "reward=[{kind: math}]", name="tiny_grpo",
    )  # fmt: skip
    assert (prompts_of(own).mean, prompts_of(own).longest) == (40, 90)  # the stand-in has a token a byte


def test_what_does_not_fit_is_told_with_the_least_that_would() -> None:
    fits = recipe("launch.device=h100-80gb")
    assert too_large(fits, TRAINED) == []
    [told] = too_large(recipe("launch.device=a100-40gb"), TRAINED)
    assert "will not fit" in told.what and told.fix == (
        "it would fit with: launch.engine=accelerate launch.strategy=zero2"
    )
    [told] = too_large(recipe("launch.device=rtx4090-24gb"), TRAINED)
    assert told.fix == "it would fit with: model.lora={rank: 16}"
    # What is proposed is tried: applied, it fits.
    changes = smallest_changes(recipe("launch.device=a100-40gb"), TRAINED)
    assert changes is not None
    assert too_large(recipe("launch.device=a100-40gb", *changes), TRAINED) == []


def test_larger_is_never_cheaper() -> None:
    base = estimate(recipe("launch.device=h100-80gb"), "train")
    for more in ("trainer.micro_batch=8", "trainer.max_completion_length=6144", "trainer.trl.beta=0.1"):
        other = estimate(recipe("launch.device=h100-80gb", more), "train")
        assert other["memory_gib"] >= base["memory_gib"] and other["seconds"][1] >= base["seconds"][1], more
    more = ("launch.device=h100-80gb", "launch.engine=torchrun")
    eight, sixteen = (estimate(recipe(*more, f"launch.nodes={n}"), "train") for n in (1, 2))
    assert sixteen["seconds"][1] < eight["seconds"][1]


def test_an_unknown_accelerator_is_named_with_those_like_it() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe("launch.device=h100")
    assert "h100-80gb" in str(caught.value)


def test_disk_counts_checkpoints_with_their_moments() -> None:
    """Two kept and one being written, each 14.2 + 28.4 GiB, and the last and the best policy."""
    assert estimate(recipe("launch.device=h100-80gb"), "train")["disk_gib"] == pytest.approx(
        5 * 14.185 + 3 * 28.37, abs=0.2
    )
