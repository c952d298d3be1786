"""Qwen2.5-Math-PRM's architecture, `Qwen2ForProcessRewardModel`: Qwen2's decoder and a two-layer head.

The checkpoints bring this class as code to be run from the hub, written for transformers 4.37; vLLM's tests keep it to
transformers below 4.54. It is small, so it is here. Weights as in the checkpoints: `model.*`, `score.0.*`, `score.2.*`,
and a language-model head `lm_head.*` that nothing uses. vLLM's own implementation of this architecture gave the same
scores (within 1e-5) on a tiny checkpoint of this form. Not verified, for the hub could not be reached: a published
checkpoint.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from transformers import Qwen2Config
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.models.qwen2.modeling_qwen2 import Qwen2Model, Qwen2PreTrainedModel

ARCHITECTURE = "Qwen2ForProcessRewardModel"


class QwenProcessReward(Qwen2PreTrainedModel):
    """Two logits a token, of a wrong and of a right step; they mean something at separators only."""

    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = [r"^lm_head\."]

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__(config)
        self.model = Qwen2Model(config)
        self.score = torch.nn.Sequential(
            torch.nn.Linear(config.hidden_size, config.hidden_size),
            torch.nn.ReLU(),
            torch.nn.Linear(config.hidden_size, config.num_labels),
        )
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **options: Any) -> TokenClassifierOutput:
        """`input_ids` and `attention_mask` (rows, tokens); logits (rows, tokens, labels)."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask, **options).last_hidden_state
        return TokenClassifierOutput(logits=self.score(hidden))
