"""The machine: memory, disk, and a sandbox for programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.disk_room import disk_fix, disk_room, existing
from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.pipeline.plan import compile_recipe
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.load import LoadedRecipe
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.rundir import runs_root

_LOW_MEMORY_GIB = 2.0
_LOW_DISK_GIB = 10.0
_GIB = 2**30


def memory() -> Finding:
    """Free memory: the tiny recipes want two GiB."""
    told = psutil.virtual_memory()
    what = f"{told.available / _GIB:.1f} of {told.total / _GIB:.1f} GiB free, {os.cpu_count()} cores"
    if told.available / _GIB < _LOW_MEMORY_GIB:
        return Finding("memory", "warning", what, "end other programs; even the tiny recipes take 2 GiB")
    return Finding("memory", "ok", what)


def disk(loaded: LoadedRecipe | None = None) -> list[Finding]:
    """Free space where runs go, and where the hub's files go when that is another disk; with a recipe, what its run
    writes beside it."""
    cache = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    places = {"runs": existing(runs_root().absolute()), "hub cache": existing(cache)}
    if places["runs"].stat().st_dev == places["hub cache"].stat().st_dev:
        del places["hub cache"]
    found = [_room(name, place) for name, place in places.items()]
    if loaded is not None and not only_judge(loaded.recipe):
        found.append(_wanted(loaded))
    return found


def _wanted(loaded: LoadedRecipe) -> Finding:
    """What the recipe's run still writes, against what is free."""
    room = disk_room(compile_recipe(loaded))
    if room.enough:
        return Finding("disk, recipe", "ok", f"the run writes about {room.words}")
    return Finding("disk, recipe", "error", f"the run writes about {room.words}", disk_fix(loaded.recipe, room))


def _room(name: str, place: Path) -> Finding:
    free = shutil.disk_usage(place).free / _GIB
    subject, what = f"disk, {name}", f"{free:.0f} GiB free under {place}"
    if not os.access(place, os.W_OK):
        return Finding(subject, "error", f"{place} cannot be written to", f"chmod u+w {place}, or work elsewhere")
    if free < _LOW_DISK_GIB:
        return Finding(subject, "warning", what, "a 7B model is 15 GiB, a checkpoint of its training 45 or more")
    return Finding(subject, "ok", what)


def sandbox(recipe: Recipe | None) -> Finding:
    """Which sandbox programs would run in; none is an error for a recipe that runs some."""
    from sgpo_cli.verify.code.choice import choose_sandbox

    try:
        return Finding("sandbox", "ok", f"{choose_sandbox().name}: programs of a model run in it")
    except UserError as problem:
        needed = recipe is not None and runs_programs(recipe)
        what = problem.what if needed else f"{problem.what}; only code rewards and code benchmarks need one"
        return Finding("sandbox", "error" if needed else "warning", what, problem.fix)


def runs_programs(recipe: Recipe) -> bool:
    """Whether a reward or a benchmark of the recipe runs programs."""
    graded = {load_eval_card(use.card).grade.kind for use in recipe.benchmarks}
    return "code" in graded | {reward.kind for reward in recipe.reward}
