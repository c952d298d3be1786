"""Parameters by formula equal those of the real model, built on the meta device."""

from __future__ import annotations

from typing import Any

import pytest

from sgpo_cli.pipeline.architecture import KNOWN, Shape, linear_names, positions_of, shape_of
from sgpo_cli.recipe.schema import Model


def _meta(shape: Shape) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.intermediate,
        "vocab_size": shape.vocab,
        "tie_word_embeddings": shape.tied,
        "head_dim": shape.head_dim,
    }
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(shape.family, **sizes))


def _meta_parameters(shape: Shape) -> int:
    return sum(parameter.numel() for parameter in _meta(shape).parameters())


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_linear_layers_are_named_as_the_model_names_them(family: str) -> None:
    from sgpo_cli.training.adapters import linear_names as named_by_the_model

    shape = Shape(family, 2, 64, 4, 4, 192, 107, False, 16)
    assert set(linear_names(shape) or ()) == named_by_the_model(_meta(shape))
    assert linear_names(Shape("phi3", 2, 64, 4, 4, 192, 107, False, 16)) is None


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 32768),
        ("Qwen/Qwen2.5-7B", 131072),
        ("Qwen/Qwen2.5-3B", 32768),
        ("Qwen/Qwen2.5-Math-7B-Instruct", 4096),
        ("Qwen/Qwen3-1.7B", 40960),
        ("Qwen/Qwen3-8B-Base", 32768),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 131072),
        ("somebody/unheard-of-9B", None),
    ],
)
def test_positions(path: str, most: int | None) -> None:
    assert positions_of(Model(path=path)) == most


def test_every_known_model_has_its_positions() -> None:
    assert all(positions_of(Model(path=f"a/{name}")) for name in KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_formula_equals_the_meta_device(name: str) -> None:
    assert KNOWN[name].parameters() == _meta_parameters(KNOWN[name])


def test_llama_scratch() -> None:
    shape = Shape("llama", 2, 64, 4, 4, 192, 107, False, 16)
    assert shape.parameters() == _meta_parameters(shape)


@pytest.mark.parametrize(
    ("path", "billions"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 7.62),
        ("Qwen/Qwen2.5-14B-Instruct", 14.8),
        ("Qwen/Qwen2.5-32B-Instruct", 32.8),
        ("Qwen/Qwen2.5-Math-7B-Instruct", 7.62),
        ("Qwen/Qwen3-0.6B-Base", 0.60),
        ("Qwen/Qwen3-1.7B", 1.72),
        ("Qwen/Qwen3-4B-Base", 4.02),
        ("Qwen/Qwen3-8B-Base", 8.19),
        ("Qwen/Qwen3-14B", 14.8),
        ("Qwen/Qwen3-32B", 32.8),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 7.62),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 14.8),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", 32.8),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 8.03),
    ],
)
def test_known_models_have_their_published_size(path: str, billions: float) -> None:
    shape = shape_of(Model(path=path))
    assert shape is not None
    assert shape.parameters() / 1e9 == pytest.approx(billions, abs=0.05)


def test_an_unknown_model_has_no_shape() -> None:
    assert shape_of(Model(path="somebody/unheard-of-9B")) is None


def test_the_tiny_recipes_size_is_that_of_its_model() -> None:
    from sgpo_cli.data.hops_text import tokenizer
    from sgpo_cli.generation.load import build_scratch
    from sgpo_cli.pipeline.cost.estimate import estimate
    from sgpo_cli.recipe.load import load_recipe

    recipe = load_recipe("tiny_grpo").recipe
    assert recipe.model.scratch is not None
    real = build_scratch(recipe.model.scratch, tokenizer(recipe.data.hops), seed=0)
    assert estimate(recipe, "train")["parameters"] == sum(p.numel() for p in real.parameters())
