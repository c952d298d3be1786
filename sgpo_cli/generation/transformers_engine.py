"""Sampling with the model in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sgpo_cli.generation.decode import Sampling, decode
from sgpo_cli.generation.engine import Completion, Seed
from sgpo_cli.generation.noise import RowNoise
from sgpo_cli.generation.prompts import Prompt, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TransformersEngine:
    """An `Engine` over a transformers model and its tokenizer.

    Works on a live model too: it is put into evaluation mode for the call and back after it, and its random state,
    like the whole process's, is untouched.
    """

    name = "transformers"

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        batch_size: int = 256,
        top_k: int = 0,
    ) -> None:
        """
        Args:
            batch_size: the most answers sampled at once; part of what decides the samples, like the seed.
            top_k: most likely tokens to sample from; 0 is all.
        """
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.top_k = top_k
        self.stop_ids = stop_ids(model, tokenizer)

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: Seed,
        top_k: int | None = None,
    ) -> list[Completion]:
        ids = prompt_ids(prompts, self.tokenizer)
        sampling = Sampling(max_new_tokens, temperature, top_p, self.top_k if top_k is None else top_k)
        made = self._sample(ids, sampling, seed)
        return [
            Completion(
                text=self.tokenizer.decode(new, skip_special_tokens=True),
                ids=tuple(new),
                truncated=new[-1] not in self.stop_ids,
            )
            for new in made
        ]

    def generate_ids(
        self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, temperature: float, top_p: float, seed: int
    ) -> list[list[int]]:
        """New token ids for each prompt's ids, the ending one included; order kept."""
        return self._sample(prompts, Sampling(max_new_tokens, temperature, top_p, self.top_k), seed)

    def _sample(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: Seed) -> list[list[int]]:
        import torch

        device = self.model.device
        generator = torch.Generator(device).manual_seed(seed) if isinstance(seed, int) else None
        # Longest first: batches pad little, copies stay together, and a batch too large for memory fails at once.
        order = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), tuple(prompts[row]), row))
        made: list[list[int]] = [[] for _ in prompts]
        training = self.model.training
        self.model.eval()
        try:
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                found = decode(
                    self.model,
                    [prompts[row] for row in rows],
                    sampling,
                    stop_ids=self.stop_ids,
                    pad_id=self.tokenizer.pad_token_id,
                    generator=generator or RowNoise([_own(seed, row) for row in rows], device),
                )
                for row, new in zip(rows, found, strict=True):
                    made[row] = new
        finally:
            self.model.train(training)
        return made


def _own(seed: Seed, row: int) -> int:
    assert not isinstance(seed, int)
    return seed[row]


def stop_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every token that ends an answer: the tokenizer's EOS and those of the model's generation config (chat models name
    more than one)."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    listed = named if isinstance(named, list) else [] if named is None else [named]
    return frozenset({tokenizer.eos_token_id, *listed})
