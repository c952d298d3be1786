"""The smallest changes that make a recipe fit the memory it is planned for, each tried by estimating again."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.cost.estimate import estimate
from sgpo_cli.pipeline.cost.machine import Machine, machine_of
from sgpo_cli.pipeline.cost.work import rows_at_once
from sgpo_cli.recipe.devices import DEVICES
from sgpo_cli.recipe.load import from_dict, to_dict
from sgpo_cli.recipe.rules.launch import SHARDED_WEIGHTS
from sgpo_cli.recipe.schema import Recipe

_MOST_CHANGES = 3


def too_large(recipe: Recipe, kinds: list[str]) -> list[Mistake]:
    """A warning for each stage that needs more memory than it is planned for, with the least that would make it fit."""
    machine = machine_of(recipe.launch)
    needs = {kind: _needs(recipe, kind) for kind in kinds}
    return [
        Mistake(
            f"stage {kind} needs about {size:,.1f} GiB a process; {machine.name} has {machine.memory_gib:.1f}: "
            "it will not fit",
            fix=_fix(recipe, kind, machine),
        )
        for kind, size in needs.items()
        if size > machine.memory_gib
    ]


def _fix(recipe: Recipe, kind: str, machine: Machine) -> str:
    if kind == "train":
        changes = smallest_changes(recipe, [kind])
        if changes:
            return "it would fit with: " + " ".join(changes)
    if machine.device is None:
        return "run it where there are GPUs (launch.device names one to plan for); here, --smoke shows every stage"
    if kind == "train":
        return "no three changes of batch, sharding, adapters or processes make it fit: take a smaller model"
    # No lever reaches the stages that are one process with the whole model.
    larger = sorted(
        (device.memory_gib, device.name) for device in DEVICES.values() if device.memory_gib >= _needs(recipe, kind)
    )
    what = f"launch.device={larger[0][1]}" if larger else "a smaller model"
    later = " (or benchmarks=[] now, and sgpo eval elsewhere)" if kind == "eval" else ""
    return f"this stage is one process with the whole model: it would fit with {what}{later}"


def smallest_changes(recipe: Recipe, kinds: list[str]) -> list[str] | None:
    """The fewest `key=value` that make all stages fit, mildest first; None when all do, or none of those tried does."""
    if _fits(recipe, kinds):
        return None
    levers = _levers(recipe)
    for count in range(1, _MOST_CHANGES + 1):
        for chosen in itertools.combinations(levers, count):
            for picked in itertools.product(*chosen):
                changed = _with(recipe, picked)
                if changed is not None and _fits(changed, kinds):
                    return _told(recipe, picked)
    return None


def next_smaller(recipe: Recipe, kinds: list[str]) -> list[str] | None:
    """The mildest single change that lowers the estimate by 3%, for a recipe that ran out of memory though it was
    planned to fit; None when none does."""
    needs = max(_needs(recipe, kind) for kind in kinds)
    for picked in (one for lever in _levers(recipe) for one in lever):
        changed = _with(recipe, (picked,))
        if changed is not None and max(_needs(changed, kind) for kind in kinds) < 0.97 * needs:
            return _told(recipe, (picked,))
    return None


def _levers(recipe: Recipe) -> list[list[dict[str, Any]]]:
    """What can be changed, mildest first; of each lever only one value is taken."""
    launch, trainer, model = recipe.launch, recipe.trainer, recipe.model
    rows = rows_at_once(recipe) // trainer.updates_per_step
    now = min(trainer.micro_batch or rows, rows)
    smaller = sorted({now // part for part in (2, 4, 8, 16, 32) if now % part == 0} - {0}, reverse=True)
    levers: list[list[dict[str, Any]]] = [[{"trainer.micro_batch": size} for size in smaller]]
    if machine_of(launch).accelerator:
        if not trainer.trl.get("gradient_checkpointing", True):
            levers.append([{"trainer.trl.gradient_checkpointing": True}])
        if recipe.generation.engine == "vllm":
            share = float(trainer.trl.get("vllm_gpu_memory_utilization", 0.3))
            levers.append([{"trainer.trl.vllm_gpu_memory_utilization": x} for x in (0.25, 0.2, 0.15) if x < share])
        if launch.strategy not in {"zero3", "fsdp2"} and launch.processes * launch.nodes > 1:
            milder = [{"launch.engine": "accelerate", "launch.strategy": "zero2"}] if launch.strategy == "ddp" else []
            levers.append([*milder, _sharded(recipe)])
        more = [count for count in (2, 4, 8) if count > launch.processes]
        levers.append([{"launch.processes": count, **_sharded(recipe)} for count in more])
        if launch.nodes == 1 and launch.processes >= 8:
            levers.append([{"launch.nodes": count} for count in (2, 4)])
        if model.lora is None:
            levers.append([{"model.lora": {"rank": 16}}, {"model.lora": {"rank": 16, "quantize": "4bit"}}])
        elif model.lora.quantize is None:
            levers.append([{"model.lora.quantize": "4bit"}])
    return [lever for lever in levers if lever]


def _sharded(recipe: Recipe) -> dict[str, Any]:
    """Weights spread over the processes, which then measure no held-out problems (recipe/rules/launch.py)."""
    strategy = recipe.launch.strategy if recipe.launch.strategy in SHARDED_WEIGHTS else "fsdp2"
    held = {"data.heldout": 0} if recipe.data.heldout else {}
    return {"launch.engine": "accelerate", "launch.strategy": strategy, **held}


def _with(recipe: Recipe, picked: tuple[dict[str, Any], ...]) -> Recipe | None:
    told = copy.deepcopy(to_dict(recipe))
    for key, value in ((key, value) for one in picked for key, value in one.items()):
        *sections, last = key.split(".")
        at = told
        for section in sections:
            at = at[section]
        at[last] = value
    changed = from_dict(Recipe, told)
    trainer, launch = changed.trainer, changed.launch
    if launch.strategy in SHARDED_WEIGHTS and changed.model.lora is not None:
        return None  # refused by recipe/rules/launch.py
    share, left = divmod(
        trainer.prompts_per_step * trainer.group_size, trainer.updates_per_step * launch.processes * launch.nodes
    )
    return None if left or share % (trainer.micro_batch or share) else changed


def _fits(recipe: Recipe, kinds: list[str]) -> bool:
    has = machine_of(recipe.launch).memory_gib
    return all(_needs(recipe, kind) <= has for kind in kinds)


def _needs(recipe: Recipe, kind: str) -> float:
    return float(estimate(recipe, kind).get("memory_gib") or 0.0)


def _told(recipe: Recipe, picked: tuple[dict[str, Any], ...]) -> list[str]:
    """The changes as a person types them, less what the recipe says already."""
    changes = ((key, value) for one in picked for key, value in one.items())
    return [f"{key}={_say(value)}" for key, value in changes if _at(recipe, key) != value]


def _at(recipe: Recipe, key: str) -> Any:
    """The recipe's own value."""
    at: Any = to_dict(recipe)
    for name in key.split("."):
        at = at.get(name) if isinstance(at, dict) else None
    return at


def _say(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_say(one)}" for key, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
