"""The policy before any training, as a recipe's `model` section says it: the one reading of it that all stages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer
from sgpo_cli.errors import UserError
from sgpo_cli.generation.load import build_scratch, load_policy, load_tokenizer, use_template
from sgpo_cli.generation.stand_in import stand_in_tokenizer
from sgpo_cli.recipe.schema import Data, Model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def initial_policy(model: Model, data: Data, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model at `model.path` with its tokenizer, or random weights drawn by `seed`.

    Random weights speak task hops with that task's tokenizer, and any other data with the byte-level stand-in (with a
    chat template unless `model.chat` is false).

    Raises:
        UserError: neither a path nor `scratch`, or what load_policy and load_tokenizer say.
    """
    if model.path is not None:
        tokenizer = load_tokenizer(
            model.path,
            chat_template=model.chat_template,
            revision=model.revision,
            trust_remote_code=model.trust_remote_code,
        )
        policy = load_policy(
            model.path, dtype=model.dtype, revision=model.revision, trust_remote_code=model.trust_remote_code
        )
        return policy, tokenizer
    if model.scratch is None:
        raise UserError("there is no model", fix="set model.path, or model.scratch for a model with random weights")
    if data.source == "hops":
        tokenizer = hops_tokenizer(data.hops)
    else:
        tokenizer = stand_in_tokenizer(chat=model.chat is not False)
    use_template(tokenizer, model.chat_template)
    return build_scratch(model.scratch, tokenizer, seed), tokenizer
