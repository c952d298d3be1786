"""Memory of the largest process of a stage, part by part, by closed formula: what TRL 1.16 and torch hold at the peak.

Parts in bytes a device. What a stage holds all the time (weights, optimizer, reference model, judge) is added up; of
its phases (sampling, forward and backward, the optimizer's step) the largest counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sgpo_cli.pipeline.architecture import Shape
from sgpo_cli.pipeline.cost.shapes import Weights

TILE_TOKENS, TILE_VOCAB = 4096, 32768
"""TRL projects hidden states to the vocabulary in tiles of so many tokens and entries (its fused head)."""
_TILE_COPIES = 7.25
"""float32 copies of a tile beside it where there is no Triton, at the most, in the backward pass: scaled twice,
log-probs, probs, gradient, and the target's indicator as booleans, as numbers and less the probs. Triton works in the
tile."""
HOLES = 0.5
"""On a CPU, of all layers' activations, recomputed ones too, and of the head: what glibc's heap loses between blocks
that stay. A freed aligned block cannot hold another one of its size before glibc 2.38, and weights' gradients come to
lie between activations. Stages keep freed memory on that heap (pipeline/launch.py): that saves a tenth to a quarter of
their time. The figure is one that holds for all measured cases (docs/planning.md), not derived."""
CACHE_HOLES = 1.0
"""Likewise of the cache's final size, which grows by copying."""
_SAMPLING_COPIES = 4
"""float32 copies of one step's logits that sampling holds: raw, processed, probabilities, sorted or summed."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """How many processes share each of the three; 1 keeps it whole in each."""

    weights: int = 1
    gradients: int = 1
    optimizer: int = 1
    master: bool = False
    """Whether float32 copies of half-precision weights are kept for the optimizer (DeepSpeed, FSDP)."""


def sharding(strategy: str, processes: int) -> Sharding:
    """The recipe's `launch.strategy` over all processes."""
    n = max(1, processes)
    return {
        "ddp": Sharding(),
        "zero1": Sharding(1, 1, n, master=True),
        "zero2": Sharding(1, n, n, master=True),
        "zero3": Sharding(n, n, n, master=True),
        "fsdp2": Sharding(n, n, n, master=True),
    }[strategy]


@dataclass
class Parts:
    """Bytes by name; `steady` is there all the time, of `phases` one at a time."""

    steady: dict[str, float] = field(default_factory=dict)
    phases: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def peak(self) -> float:
        return sum(self.steady.values()) + max((sum(phase.values()) for phase in self.phases.values()), default=0.0)

    def at_peak(self) -> dict[str, float]:
        """The parts that make the peak, zero ones left out."""
        largest = max(self.phases.values(), key=lambda phase: sum(phase.values()), default={})
        return {name: size for name, size in {**self.steady, **largest}.items() if size > 0}


def held_for_training(weights: Weights, shards: Sharding, optim: str = "") -> dict[str, float]:
    """Weights and AdamW's two moments, which take the type of the weights, or float32 where a master copy is kept.

    `optim` is transformers' name of the optimizer: the 8-bit ones keep a byte a number, Adafactor rows and columns of
    the second moment only, and plain SGD nothing.
    """
    half = weights.trained_width < 4
    master = 4.0 * weights.trained if shards.master and half else 0.0
    moments = 2.0 * (4.0 if master else weights.trained_width)
    if "8bit" in optim:
        moments = 2.0
    elif optim in {"adafactor", "sgd"}:
        moments = 0.0
    return {
        "weights": weights.bytes / shards.weights,
        "optimizer": (moments * weights.trained + master) / shards.optimizer,
    }


def gradients(weights: Weights, shards: Sharding) -> float:
    return weights.trained * weights.trained_width / shards.gradients


def layer_activations(shape: Shape, length: int, width: int) -> float:
    """Bytes a token that one decoder layer keeps for its backward pass, in rows of `length` tokens.

    Counted with torch's saved-tensor hooks on transformers 5.23 (SDPA attention, which keeps no scores): the residual
    stream, normalized and scaled, at both norms (6 hidden); queries, keys and values as wide as the queries are, and
    the attention's output (4 query); gate, its SiLU, up and their product (4 intermediate); the additive mask, a row of
    the sequence; for Qwen3 queries and keys twice at their norms.
    """
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    numbers = 6 * shape.hidden + 4 * query + 4 * shape.intermediate + length
    if shape.family == "qwen3":
        numbers += 2 * (query + kv)
    return float(numbers * width)


def backbone_activations(shape: Shape, rows: int, length: int, width: int, *, checkpointing: bool) -> float:
    """Of all layers; with gradient checkpointing each layer's input, and one whole layer while it is recomputed."""
    layer = rows * length * layer_activations(shape, length, width)
    if not checkpointing:
        return layer * shape.layers
    return float(rows * length * shape.hidden * width * shape.layers + layer)


def head(shape: Shape, tokens: int, width: int, *, trained: bool, accelerator: bool) -> float:
    """TRL's fused head for `tokens` that are scored: a tile of logits, with its copies where there is no Triton, the
    hidden states and their gradients, and the head's own gradient, all gradients in float32 first."""
    tile = min(tokens, TILE_TOKENS) * min(shape.vocab, TILE_VOCAB)
    copies = 0.0 if accelerator else 4 * _TILE_COPIES
    narrower = width if width < 4 else 0
    weight = shape.vocab * shape.hidden * (4 + narrower) if trained else 0
    return float(tile * (width + copies) + tokens * shape.hidden * (width + 4 + narrower) + weight)


def cache(shape: Shape, rows: int, tokens: int, width: int) -> float:
    """Keys and values of `rows` sequences of `tokens`."""
    return float(rows * tokens * shape.kv_bytes_per_token(width))


def sampling(shape: Shape, rows: int, prompt: int, answer: int, width: int) -> dict[str, float]:
    """transformers' `generate`: the cache (one layer of it twice, as it grows by copying), logits, and the prompts."""
    keys = cache(shape, rows, prompt + answer, width)
    prefill = rows * prompt * (3 * shape.hidden + 3 * shape.intermediate) * width
    return {
        "KV cache": keys * (1 + 1 / shape.layers),
        "sampling": float(max(rows * shape.vocab * 4 * _SAMPLING_COPIES, prefill)),
    }
