"""How much memory a process reward model takes, for the plan: closed formula, without torch."""

from __future__ import annotations

from typing import Protocol

from sgpo_cli.recipe.judgecards import ProcessRewardCard

_OVERHEAD = 1.1  # fragments and kernels' work space
_LABELS = 2


class Decoder(Protocol):
    """What is asked of a model's shape; the plan has one from its config.json."""

    @property
    def hidden(self) -> int: ...
    @property
    def intermediate(self) -> int: ...
    @property
    def vocab(self) -> int: ...
    @property
    def tied(self) -> bool: ...

    def parameters(self) -> int: ...


def memory_gib(card: ProcessRewardCard, shape: Decoder | None, *, accelerator: bool) -> float | None:
    """Weights and the largest batch in GiB: of the accelerator, or of the machine where the judge runs on the CPU.

    None when the model's shape is unknown. `accelerator`: whether this machine has one. The half-width types of
    published checkpoints are assumed where the card leaves the type to the checkpoint. The batch's share is the
    widest moment of one layer: residual stream, norm, and the MLP's gate, up and product; nothing is kept between
    layers, and attention is computed in blocks.
    """
    if shape is None:
        return None
    on_cpu = card.device == "cpu" or not accelerator
    full = card.dtype == "float32" or (card.dtype == "auto" and on_cpu)
    width = 4 if full else 2
    tokens = max(card.batch_tokens, card.max_length)
    activations = tokens * (4 * shape.hidden + 3 * shape.intermediate) * width
    return (weights(card, shape) * width + activations) * _OVERHEAD / 2**30


def weights(card: ProcessRewardCard, shape: Decoder) -> int:
    """Parameters kept: the decoder without its language-model head, and the head of the card's style."""
    decoder = shape.parameters() - (0 if shape.tied else shape.vocab * shape.hidden)
    if card.style == "plus_minus":
        return decoder + 2 * shape.hidden
    head = shape.hidden * _LABELS + _LABELS
    return decoder + head + (shape.hidden**2 + shape.hidden if card.style == "separator" else 0)
