"""The memory figure of the plan, against models built without memory; and the shipped card."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForTokenClassification, Qwen2Config

from sgpo_cli.judging.process_reward.qwen_head import QwenProcessReward
from sgpo_cli.judging.process_reward.size import memory_gib, weights
from sgpo_cli.pipeline.architecture import KNOWN, Shape
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import ProcessRewardCard


def _count(make: Any) -> int:
    with torch.device("meta"):
        return sum(one.numel() for one in make().parameters())


def test_weights_are_those_of_the_model() -> None:
    shape = KNOWN["Qwen2.5-7B"]
    config = Qwen2Config(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=False,
    )
    card = load_judge_card("qwen_math_prm_7b")
    assert isinstance(card, ProcessRewardCard)
    assert weights(card, shape) == _count(lambda: QwenProcessReward(config))


@pytest.mark.parametrize("tied", [False, True])
def test_weights_of_the_other_styles(tied: bool) -> None:
    shape = Shape("llama", 3, 64, 4, 2, 96, 500, tied, 16)
    config = LlamaConfig(
        vocab_size=500,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
    )
    counted = _count(lambda: LlamaForTokenClassification(config))
    assert weights(ProcessRewardCard(model="m", style="token_classification"), shape) == counted
    # Two rows of the language-model head, without a bias.
    assert weights(ProcessRewardCard(model="m", style="plus_minus"), shape) == counted - 2


def test_memory_follows_type_place_and_batch() -> None:
    shape = KNOWN["Qwen2.5-7B"]

    def gib(accelerator: bool = True, **options: Any) -> float:
        found = memory_gib(ProcessRewardCard(model="m", **options), shape, accelerator=accelerator)
        assert found is not None
        return found

    assert 13.2 < gib(batch_tokens=1, max_length=1) < 14.6, "7.1 billion weights of two bytes, and some"
    assert gib(dtype="float32") == pytest.approx(2 * gib()) == gib(accelerator=False) == gib(device="cpu")
    assert gib(device="cpu", dtype="bfloat16") == gib()
    assert gib(batch_tokens=32768) > gib() > gib(batch_tokens=8192) > gib(batch_tokens=1) == gib(batch_tokens=4096)
    assert memory_gib(ProcessRewardCard(model="m"), None, accelerator=True) is None


def test_the_shipped_card_says_what_the_model_needs() -> None:
    card = load_judge_card("qwen_math_prm_7b")
    assert isinstance(card, ProcessRewardCard)
    assert (card.model, card.style, card.threshold) == ("Qwen/Qwen2.5-Math-PRM-7B", "separator", 0.8)
    assert card.separator == "<extra_0>" and card.system == ProcessRewardCard(model="m").system
    assert not card.trust_remote_code and card.max_length == 4096
