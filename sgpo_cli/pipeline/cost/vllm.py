"""What vLLM has to find room for in its share of a device: with less it does not start.

It loads the policy a second time, tries a batch of the largest size, and keeps the rest of its share for keys and
values, which must hold one sequence of the longest length that it is opened for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sgpo_cli.pipeline.architecture import Shape, positions_of
from sgpo_cli.pipeline.cost.machine import Machine
from sgpo_cli.pipeline.cost.shapes import Weights
from sgpo_cli.pipeline.cost.work import row_tokens, rows_at_once
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.stages.engines import eval_engine

ALONE = 0.9
"""vLLM's own share, where it has a device to itself."""
_SHARE = 0.3
"""TRL's vllm_gpu_memory_utilization, unless the recipe says otherwise."""
_TRIED = 4096
"""Tokens of the batch that is tried in training: TRL's max_num_batched_tokens."""
_TRIED_ALONE = {False: (8192, 256), True: (16384, 1024)}
"""Tokens and rows of the batch that vLLM tries by itself, and whether the device has 70 GiB or more."""
_LARGE_GIB = 70.0
_LOGITS = 4
"""float32 copies of the rows' logits while they are sampled from."""
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: vLLM's share of a device, and what must go into it."""

    share: float
    weights: float
    tried: float
    """Work space of the largest batch."""
    cache: float
    """Keys and values of one sequence of the longest length."""
    tokens: int
    """That length."""

    @property
    def needs(self) -> float:
        return self.weights + self.tried + self.cache

    @property
    def fits(self) -> bool:
        return self.needs <= self.share

    def to_json(self) -> dict[str, Any]:
        """Sizes in GiB: `share_gib`, `needs_gib`, and of that `weights_gib`, `tried_gib`, `cache_gib` for `tokens`."""
        named = {"share": self.share, "needs": self.needs, "weights": self.weights}
        named |= {"tried": self.tried, "cache": self.cache}
        return {**{f"{name}_gib": round(size / _GIB, 2) for name, size in named.items()}, "tokens": self.tokens}


def share_of(recipe: Recipe) -> float:
    """The part of a device that vLLM takes in the training processes."""
    return float(recipe.trainer.trl.get("vllm_gpu_memory_utilization", _SHARE))


def longest_of(recipe: Recipe, kind: str) -> int:
    """Tokens of the longest sequence that vLLM is opened for: the model's own, unless the recipe sets a limit."""
    told = recipe.trainer.trl.get("vllm_max_model_length") if kind == "train" else None
    return int(told or positions_of(recipe.model) or row_tokens(recipe))


def room(recipe: Recipe, kind: str, shape: Shape, weights: Weights, machine: Machine) -> Room | None:
    """What vLLM needs in a stage, and has; None where it is not opened, or not on an accelerator."""
    if not machine.accelerator:
        return None
    memory, tokens = machine.memory_gib * _GIB, longest_of(recipe, kind)
    if kind == "train" and recipe.generation.engine == "vllm" and recipe.offline is None:
        # It reads the type of its weights from the model, and takes half precision for float32 ones.
        width, share = 2, share_of(recipe)
        tried = _work(shape, _TRIED, rows_at_once(recipe), width)
    elif kind == "eval" and eval_engine(recipe.generation.engine) == "vllm":
        width, share = weights.width, ALONE
        tried = _work(shape, *_TRIED_ALONE[machine.memory_gib >= _LARGE_GIB], width)
    else:
        return None
    lora = recipe.model.lora
    packed = kind == "train" and lora is not None and lora.quantize is not None
    return Room(
        share=share * memory,
        weights=weights.frozen_bytes if packed else float(weights.total * width),
        tried=tried,
        cache=float(tokens * shape.kv_bytes_per_token(width)),
        tokens=tokens,
    )


def _work(shape: Shape, tokens: int, rows: int, width: int) -> float:
    """The widest moment of one layer (residual stream, norm, gate, up and their product), or the rows' logits."""
    layer = tokens * (3 * shape.hidden + 3 * shape.intermediate) * width
    return float(max(layer, rows * shape.vocab * 4 * _LOGITS))
