"""A policy with random weights: what a recipe with `model.scratch` starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import Data, Model

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def random_policy(model: Model, data: Data, *, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Random weights over the task's own vocabulary, or over bytes when the data is not a built-in task."""
    from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer
    from sgpo_cli.generation.load import build_scratch
    from sgpo_cli.generation.standin import standin_tokenizer

    if model.scratch is None:
        raise UserError("there is no model", fix="set model.path, or model.scratch for a model with random weights")
    chat = bool(model.chat) or model.system_prompt is not None
    tokenizer = hops_tokenizer(data.hops) if data.source == "hops" else standin_tokenizer(chat=chat)
    return build_scratch(model.scratch, tokenizer, seed), tokenizer


def save_random(model: Model, data: Data, folder: Path, *, seed: int) -> None:
    """Saves a random policy as a plain transformers folder."""
    from sgpo_cli.generation.load import save_policy

    policy, tokenizer = random_policy(model, data, seed=seed)
    save_policy(policy, tokenizer, folder)
