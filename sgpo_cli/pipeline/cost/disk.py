"""What a stage leaves on the disk."""

from __future__ import annotations

from pathlib import Path

from sgpo_cli.pipeline.cost import memory
from sgpo_cli.pipeline.cost.shapes import Weights
from sgpo_cli.recipe.schema import Recipe

_GIB = 2**30


def disk_gib(recipe: Recipe, kind: str, weights: Weights) -> float:
    """A stage's policy, and in training the checkpoints that are kept, with one more while it is written."""
    model = weights.total * weights.width
    if kind in {"warmup", "judge_train"}:
        return (model + 3 * model) / _GIB
    if kind != "train":
        return 0.0
    best = 1 if recipe.data.heldout and recipe.trainer.eval_every else 0
    policies = (1 + best) * model
    return (policies + (recipe.trainer.keep + 1) * _checkpoint(recipe, weights)) / _GIB


def _checkpoint(recipe: Recipe, weights: Weights) -> float:
    """Bytes of one checkpoint: what is trained, and the optimizer's state of all processes together."""
    launch, trained = recipe.launch, float(weights.trained * weights.trained_width)
    shards = memory.sharding(launch.strategy, launch.processes * launch.nodes)
    whole = memory.Sharding(master=shards.master)
    state = memory.held_for_training(weights, whole, str(recipe.trainer.trl.get("optim", "")))["optimizer"]
    # DeepSpeed writes whole weights once more, beside transformers' own file of them.
    again = trained if launch.strategy in {"zero1", "zero2"} else 0.0
    return trained + state + again


def used_gib(folder: Path) -> float:
    """What lies in a folder already; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _GIB
