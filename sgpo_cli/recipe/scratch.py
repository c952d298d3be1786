"""Models from random weights: the shape of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sgpo_cli.recipe.ranges import Count, Positive


@dataclass(kw_only=True)
class Scratch:
    """A model built with random weights, for tasks small enough to learn from nothing and for `--smoke`."""

    architecture: Literal["llama", "qwen2", "qwen3"] = "llama"
    """Model family; the folder it is saved to is a plain transformers one."""
    layers: Count = 2
    """Decoder layers."""
    hidden_size: Count = 64
    """Width of the residual stream."""
    heads: Count = 4
    """Attention heads."""
    kv_heads: Count | None = None
    """Key and value heads; null is as many as `heads`."""
    intermediate_size: Count = 192
    """Width of the MLP."""
    rope_theta: Positive = 1000.0
    """Base of the rotary embedding."""
    initializer_range: Positive = 0.05
    """Standard deviation of the initial weights."""
    tie_embeddings: bool = False
    """Whether input and output embeddings are one matrix."""
    context: Count = 512
    """Longest sequence, in tokens."""
