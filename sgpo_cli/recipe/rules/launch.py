"""How processes are started: engine, machines, sharding, and the accelerator to plan for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sgpo_cli.recipe.devices import DEVICES
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.recipe.words import nearest

SHARDED_BY_DEEPSPEED = ("zero1", "zero2", "zero3")
SHARDED_WEIGHTS = ("zero3", "fsdp2")


@reads("launch.engine", "launch.processes", "launch.nodes")
def one_process_is_local(view: View) -> None:
    launch = view.recipe.launch
    if launch.engine != "local":
        return
    fix = "write launch.engine: torchrun, or accelerate"
    if launch.processes > 1:
        what = f"launch.engine local starts one process, not {launch.processes}"
        view.error(view.blame("launch.processes", "launch.engine"), what, fix)
    elif launch.nodes > 1:
        what = f"launch.engine local is one machine, not {launch.nodes}"
        view.error(view.blame("launch.nodes", "launch.engine"), what, fix)


@reads("launch.engine", "launch.strategy")
def sharding_is_accelerates(view: View) -> None:
    launch = view.recipe.launch
    if launch.strategy == "ddp" or launch.engine == "accelerate":
        return
    what = f"launch.engine {launch.engine} does not shard: launch.strategy {launch.strategy} is accelerate's"
    view.error(view.blame("launch.strategy", "launch.engine"), what, "write launch.engine: accelerate")


@reads("launch.strategy", "data.heldout", "model.lora")
def shards_are_never_whole(view: View) -> None:
    """Where each process holds a part of the weights only."""
    recipe, strategy = view.recipe, view.recipe.launch.strategy
    if strategy not in SHARDED_WEIGHTS:
        return
    if recipe.data.heldout:
        what = f"launch.strategy {strategy} leaves no process with a whole policy to measure on held-out problems"
        fix = "write data.heldout: 0 (benchmarks are measured after training), or launch.strategy: zero2"
        view.error(view.blame("launch.strategy", "data.heldout"), what, fix)
    if recipe.model.lora is not None:
        what = f"launch.strategy {strategy} with model.lora is not in this version: adapters could not be merged"
        view.error(view.blame("launch.strategy", "model.lora"), what, "write launch.strategy: ddp, or zero2")


@reads("launch.strategy", "data.heldout", "model.lora")
def deepspeed_is_there(view: View) -> None:
    """A warning only: a recipe for a cluster can be planned here."""
    if (missing := missing_deepspeed(view.recipe.launch.strategy)) is not None:
        view.warn("launch.strategy", missing, deepspeed_fix(view.recipe))


def deepspeed_fix(recipe: Recipe) -> str:
    """What to type where DeepSpeed is missing: the package, or a strategy that this recipe may have without it."""
    if recipe.model.lora is not None:
        other = "launch.strategy=ddp"
    else:
        other = "launch.strategy=fsdp2" + (" data.heldout=0" if recipe.data.heldout else "")
    return f"pip install 'deepspeed>=0.18.6', or {other}"


def missing_deepspeed(strategy: str) -> str | None:
    if strategy in SHARDED_BY_DEEPSPEED and importlib.util.find_spec("deepspeed") is None:
        return f"launch.strategy: {strategy} is DeepSpeed's, which is not installed"
    return None


@reads("launch.engine", "launch.strategy", "launch.config_file")
def config_file_is_accelerates(view: View) -> None:
    launch = view.recipe.launch
    if launch.config_file is None:
        return
    at = "launch.config_file"
    if launch.engine != "accelerate":
        fix = "write launch.engine: accelerate, or take it out"
        view.error(at, f"{at} is accelerate's, and launch.engine is {launch.engine}", fix)
    elif launch.strategy != "ddp":
        fix = "write one of them"
        view.error(view.blame("launch.strategy", at), f"{at} and launch.strategy both say how to shard", fix)
    elif not Path(launch.config_file).is_file():
        view.error(at, f"{at}: there is no file {launch.config_file}")


@reads("launch.device")
def device_is_known(view: View) -> None:
    device = view.recipe.launch.device
    if device is not None and device not in DEVICES:
        near = nearest(device, DEVICES, 2)
        fix = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(DEVICES)}"
        view.error("launch.device", f"launch.device: no accelerator {device} is known", fix)
