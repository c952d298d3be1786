"""What can be changed in a recipe so that it takes less memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sgpo_cli.pipeline.cost import vllm
from sgpo_cli.pipeline.cost.machine import Machine, machine_of
from sgpo_cli.pipeline.cost.shapes import weights_of
from sgpo_cli.pipeline.cost.work import rows_at_once
from sgpo_cli.pipeline.judge_cost import policy_shape
from sgpo_cli.recipe.rules.launch import SHARDED_WEIGHTS
from sgpo_cli.recipe.rules.trl import TUNED
from sgpo_cli.recipe.schema import Lora, Recipe

Change = dict[str, Any]
"""Dotted keys of a recipe and their new values, which are set together."""

_PROBLEM_TOKENS = 2048
"""That are left for a problem where vLLM is told how long a sequence can get."""
_SHARES = (0.25, 0.2, 0.15)
_SHARE_STEP = 0.05
_LARGEST_SHARE = 0.9


def levers(recipe: Recipe) -> list[list[Change]]:
    """What can be changed, mildest first; of each lever only one value is taken."""
    launch, trainer, model = recipe.launch, recipe.trainer, recipe.model
    machine = machine_of(launch)
    rows = rows_at_once(recipe) // trainer.updates_per_step
    now = min(trainer.micro_batch or rows, rows)
    smaller = sorted({now // part for part in (2, 4, 8, 16, 32) if now % part == 0} - {0}, reverse=True)
    found: list[list[Change]] = [[{"trainer.micro_batch": size} for size in smaller]]
    if machine.accelerator:
        if not trainer.trl.get("gradient_checkpointing", True):
            found.append([{"trainer.trl.gradient_checkpointing": True}])
        if recipe.generation.engine == "vllm":
            found += _of_vllm(recipe, machine)
        if launch.strategy not in SHARDED_WEIGHTS and launch.processes * launch.nodes > 1:
            milder = [{"launch.engine": "accelerate", "launch.strategy": "zero2"}] if launch.strategy == "ddp" else []
            found.append([*milder, _sharded(recipe)])
        more = [count for count in (2, 4, 8) if count > launch.processes]
        found.append([{"launch.processes": count, **_sharded(recipe)} for count in more])
        if launch.nodes == 1 and launch.processes >= 8:
            found.append([{"launch.nodes": count} for count in (2, 4)])
        if recipe.generation.engine == "vllm" and not set(TUNED) & set(trainer.trl):
            # Slow, but the policy is on the device once; what only vLLM reads would be refused beside it.
            found.append([{"generation.engine": "transformers"}])
        if model.lora is None:
            found.append([{"model.lora.rank": 16}, {"model.lora.rank": 16, "model.lora.quantize": "4bit"}])
        elif model.lora.quantize is None:
            found.append([{"model.lora.quantize": "4bit"}])
    return [lever for lever in found if lever]


def trains_other(lever: list[Change]) -> bool:
    """Whether a lever changes what is trained, and not only where it lies."""
    return any(key.startswith("model.lora") for change in lever for key in change)


def _of_vllm(recipe: Recipe, machine: Machine) -> list[list[Change]]:
    """The longest sequence that vLLM has to hold, and its share: smaller, or, where it would not start, larger."""
    shape = policy_shape(recipe)
    if shape is None:
        return []
    limit = recipe.trainer.max_completion_length + _PROBLEM_TOKENS
    shorter: list[Change] = [{"trainer.trl.vllm_max_model_length": limit}]
    if limit >= vllm.longest_of(recipe, "train"):
        shorter = []
    share, shares = vllm.share_of(recipe), [size for size in _SHARES if size < vllm.share_of(recipe)]
    for change in ({}, *shorter):
        other = changed(recipe, (change,))
        assert other is not None
        weights = weights_of(other.model, shape, accelerator=True)
        room = vllm.room(other, "train", shape, weights, machine)
        least = 0.0 if room is None else room.needs / 2**30 / machine.memory_gib
        if share < least <= _LARGEST_SHARE:
            shares.append(round(math.ceil(least / _SHARE_STEP) * _SHARE_STEP, 2))
    return [shorter, [{"trainer.trl.vllm_gpu_memory_utilization": size} for size in dict.fromkeys(shares)]]


def _sharded(recipe: Recipe) -> Change:
    """Weights spread over the processes, which then measure no held-out problems (recipe/rules/launch.py)."""
    strategy = recipe.launch.strategy if recipe.launch.strategy in SHARDED_WEIGHTS else "fsdp2"
    held = {"data.heldout": 0} if recipe.data.heldout else {}
    return {"launch.engine": "accelerate", "launch.strategy": strategy, **held}


def changed(recipe: Recipe, picked: tuple[Change, ...]) -> Recipe | None:
    """The recipe with these changes; None when its rules would refuse it."""
    other = recipe
    for key, value in ((key, value) for one in picked for key, value in one.items()):
        other = _put(other, key.split("."), value)
    trainer, launch = other.trainer, other.launch
    if launch.strategy in SHARDED_WEIGHTS and other.model.lora is not None:
        return None  # refused by recipe/rules/launch.py
    if other.generation.engine == "transformers" and set(TUNED) & set(trainer.trl):
        return None  # refused by recipe/rules/trl.py
    share, left = divmod(
        trainer.prompts_per_step * trainer.group_size, trainer.updates_per_step * launch.processes * launch.nodes
    )
    return None if left or share % (trainer.micro_batch or share) else other


def _put(at: Any, keys: list[str], value: Any) -> Any:
    """A section with the value at the dotted `keys` below it; what is not touched is shared with the old one."""
    if not keys:
        return value
    key, *rest = keys
    if isinstance(at, dict):
        return {**at, key: _put(at.get(key), rest, value)}
    if at is None:
        at = Lora()  # the one section that levers make
    return replace(at, **{key: _put(getattr(at, key), rest, value)})


def say(value: Any) -> str:
    """A value as YAML on one line."""
    return str(value).lower() if isinstance(value, bool) else str(value)
