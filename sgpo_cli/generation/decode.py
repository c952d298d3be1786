"""A sampling loop over a transformers causal language model: each different prompt is prefilled once, its copies
share it.

transformers' own `generate` prefills every copy and costs about half as much again per token on small models. Only
public parts are used: the forward call, and the cache's selection of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgpo_cli.generation.noise import RowNoise, pick

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. `temperature` 0 is greedy, `top_p` 1 and `top_k` 0 are off."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0


def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    stop_ids: frozenset[int],
    pad_id: int,
    generator: Generator | RowNoise,
) -> list[list[int]]:
    """Samples one continuation of each prompt, all in one batch.

    Args:
        prompts: token ids, each at least one; equal prompts are prefilled once.
        stop_ids: tokens that end a continuation; they are part of it.
        pad_id: fills prompts on the left; masked, so any id will do.
        generator: on the model's device, or a stream a row; the only source of randomness: the caller's is untouched.

    Returns:
        New token ids, one list a prompt, each at most `max_new_tokens` long.
    """
    import torch

    # Not inference_mode: tensors that a live model caches in its forward pass could not be trained through later.
    with torch.no_grad():
        return _Batch(model, prompts, stop_ids, pad_id).run(sampling, generator)


class _Batch:
    """The rows still being sampled. `alive[i]` is the prompt's number of row i."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], stop_ids: frozenset[int], pad_id: int
    ) -> None:
        import torch

        self.model = model
        self.stop = torch.tensor(sorted(stop_ids), device=model.device)
        unique: dict[tuple[int, ...], int] = {}
        copy_of = [unique.setdefault(tuple(prompt), len(unique)) for prompt in prompts]
        width = max(len(prompt) for prompt in unique)
        padded = [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in unique]
        marks = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in unique]
        mask = torch.tensor(marks, device=model.device)
        out = model(
            input_ids=torch.tensor(padded, device=model.device),
            attention_mask=mask,
            position_ids=_positions(mask),
            use_cache=True,
            logits_to_keep=1,
        )
        rows = torch.tensor(copy_of, device=model.device)
        self.cache = out.past_key_values
        if copy_of != list(range(len(padded))):
            self.cache.batch_select_indices(rows)
        self.logits: Tensor = out.logits[rows, -1]
        self.mask = mask[rows]
        self.next_position: Tensor = self.mask.sum(1, keepdim=True)
        self.ended = torch.zeros(len(rows), dtype=torch.bool, device=model.device)
        self.alive = list(range(len(prompts)))
        self.made: list[list[int]] = [[] for _ in prompts]

    def run(self, sampling: Sampling, generator: Generator | RowNoise) -> list[list[int]]:
        import torch

        for number in range(1, sampling.max_new_tokens + 1):
            tokens = self._draw(sampling, generator)
            for prompt, token, ended in zip(self.alive, tokens.tolist(), self.ended.tolist(), strict=True):
                if not ended:
                    self.made[prompt].append(token)
            self.ended |= torch.isin(tokens, self.stop)
            running = len(self.alive) - int(self.ended.sum())
            if running == 0 or number == sampling.max_new_tokens:
                break
            if 2 * running <= len(self.alive):
                tokens = self._drop_ended(tokens)
            self._forward(tokens)
        return self.made

    def _draw(self, sampling: Sampling, generator: Generator | RowNoise) -> Tensor:
        if not isinstance(generator, RowNoise):
            return draw(self.logits, sampling, generator)
        if sampling.temperature == 0:
            return self.logits.argmax(1)
        return pick(token_shares(self.logits, sampling), generator.next(self.alive))

    def _drop_ended(self, tokens: Tensor) -> Tensor:
        """Forgets the rows that ended; called when they are half, so that copying the cache pays."""
        keep = (~self.ended).nonzero().squeeze(1)
        self.cache.batch_select_indices(keep)
        self.mask, self.next_position = self.mask[keep], self.next_position[keep]
        self.ended = self.ended[keep]
        self.alive = [self.alive[row] for row in keep.tolist()]
        return tokens[keep]

    def _forward(self, tokens: Tensor) -> None:
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        out = self.model(
            input_ids=tokens.unsqueeze(1),
            attention_mask=self.mask,
            position_ids=self.next_position,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.next_position = self.next_position + 1
        self.cache = out.past_key_values
        self.logits = out.logits[:, -1]


def _positions(mask: Tensor) -> Tensor:
    """Positions that count real tokens only; padding gets 0 and is masked anyway."""
    return (mask.cumsum(1) - 1).clamp(min=0)


def draw(logits: Tensor, sampling: Sampling, generator: Generator) -> Tensor:
    """The next token of each row. logits: (rows, vocabulary); returns (rows,)."""
    import torch

    if sampling.temperature == 0:
        return logits.argmax(1)
    return torch.multinomial(token_shares(logits, sampling), 1, generator=generator).squeeze(1)


def token_shares(logits: Tensor, sampling: Sampling) -> Tensor:
    """Each token's share among those that may be drawn (up to a factor a row), temperature above 0."""
    import torch

    scaled = logits.float() / sampling.temperature
    if 0 < sampling.top_k < scaled.shape[1]:
        worst = scaled.topk(sampling.top_k, dim=1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < worst, -torch.inf)
    shares = scaled.softmax(1)
    if sampling.top_p < 1:
        ordered, order = shares.sort(1, descending=True)
        # A token stays while those before it sum to less than top_p: the first always does.
        outside = ordered.cumsum(1) - ordered >= sampling.top_p
        shares = ordered.masked_fill(outside, 0.0).gather(1, order.argsort(1))
    return shares
