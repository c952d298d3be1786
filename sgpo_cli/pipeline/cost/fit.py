"""The smallest changes that make a recipe fit the memory it is planned for, each tried by estimating again."""

from __future__ import annotations

import itertools
import shlex
from typing import Any

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.cost.estimate import Size, size_of
from sgpo_cli.pipeline.cost.levers import Change, changed, levers, say, trains_other
from sgpo_cli.pipeline.cost.machine import Machine, machine_of
from sgpo_cli.recipe.devices import DEVICES
from sgpo_cli.recipe.load import to_dict
from sgpo_cli.recipe.schema import Recipe

_MOST_CHANGES = 3


def too_large(recipe: Recipe, kinds: list[str]) -> list[Mistake]:
    """A warning for each stage that does not find the memory it needs, with the least that would make all of `kinds`
    fit."""
    machine = machine_of(recipe.launch)
    sizes = {kind: size_of(recipe, kind) for kind in kinds}
    large = {kind: size for kind, size in sizes.items() if size is not None and not size.fits}
    if not large:
        return []
    changes = _for_all(recipe, kinds, machine)
    it = "it" if len(large) == 1 else "every stage"
    fix = f"{it} would fit with: {' '.join(changes)}{_as_adapters(recipe, kinds, changes)}" if changes else None
    return [
        Mistake(f"stage {kind} will not fit: {_wrong(size)}", fix=fix or _fix(recipe, kind, machine))
        for kind, size in large.items()
    ]


def _wrong(size: Size) -> str:
    """What is too small, and by how much."""
    said, machine, room = [], size.machine, size.room
    if size.too_much:
        said.append(f"it needs about {size.gib:,.1f} GiB a process, and {machine.name} has {machine.memory_gib:.1f}")
    if room is not None and not room.fits:
        share, needs, weights, tried, cache = (
            f"{part / 2**30:,.1f}" for part in (room.share, room.needs, room.weights, room.tried, room.cache)
        )
        said.append(
            f"vLLM's share of {machine.name} is {share} GiB, {(room.needs - room.share) / 2**30:,.1f} too few: it does "
            f"not start with less than {needs} (weights {weights}, work space {tried}, one sequence of "
            f"{room.tokens:,} tokens {cache})"
        )
    return "; ".join(said)


def _for_all(recipe: Recipe, kinds: list[str], machine: Machine) -> list[str] | None:
    """What to type so that all stages fit: changes of the recipe, else with them the smallest device that does."""
    found = smallest_changes(recipe, kinds)
    if found is not None or machine.device is None:
        return found
    for name in _larger(machine):
        there = changed(recipe, ({"launch.device": name},))
        # No lever reaches the stages that are one process with the whole model.
        if there is None or not all(_fits(there, kind) for kind in kinds if kind != "train"):
            continue
        more = [] if _fits(there, "train") else smallest_changes(there, kinds)
        if more is not None:
            return [f"launch.device={name}", *more]
    return None


def _larger(machine: Machine) -> list[str]:
    """The names of the devices with more memory, smallest first."""
    larger = [device for device in DEVICES.values() if device.memory_gib > machine.memory_gib]
    return [device.name for device in sorted(larger, key=lambda device: device.memory_gib)]


def _fix(recipe: Recipe, kind: str, machine: Machine) -> str:
    """The advice for one stage, where nothing was found that makes all of them fit."""
    if machine.device is None:
        return "run it where there are GPUs (launch.device names one to plan for); here, --smoke shows every stage"
    if kind == "train":
        found = smallest_changes(recipe, [kind])
        if found:
            return f"this stage would fit with: {' '.join(found)}"
        return "no three changes of batch, vLLM, sharding, adapters or processes make it fit: take a smaller model"
    there = ((name, changed(recipe, ({"launch.device": name},))) for name in _larger(machine))
    fitting = [name for name, other in there if other is not None and _fits(other, kind)]
    what = f"launch.device={fitting[0]}" if fitting else "a smaller model"
    later = " (or benchmarks=[] now, and sgpo eval elsewhere)" if kind == "eval" else ""
    return f"this stage is one process with the whole model: it would fit with {what}{later}"


def smallest_changes(recipe: Recipe, kinds: list[str]) -> list[str] | None:
    """The fewest `key=value` that make all stages fit, mildest first, as they are typed in a shell; None when all do,
    or none of those tried does."""
    if _all_fit(recipe, kinds):
        return None
    found = levers(recipe)
    # What trains something else is proposed where nothing milder does.
    return _search(recipe, kinds, [lever for lever in found if not trains_other(lever)]) or _search(
        recipe, kinds, found
    )


def _search(recipe: Recipe, kinds: list[str], tried: list[list[Change]]) -> list[str] | None:
    """The first combination that makes all stages fit, fewest levers first."""
    for count in range(1, _MOST_CHANGES + 1):
        for chosen in itertools.combinations(tried, count):
            for picked in itertools.product(*chosen):
                other = changed(recipe, picked)
                if other is not None and _all_fit(other, kinds):
                    return _told(recipe, picked)
    return None


def _as_adapters(recipe: Recipe, kinds: list[str], changes: list[str]) -> str:
    """On a line of its own the way with adapters, where the other one takes more hardware than there is."""
    if not any(change.startswith(("launch.processes", "launch.nodes")) for change in changes):
        return ""
    fewest = _search(recipe, kinds, levers(recipe)) or []
    adapted = any(change.startswith("model.lora") for change in fewest)
    return f"\nor, training adapters, with: {' '.join(fewest)}" if adapted else ""


def next_smaller(recipe: Recipe, kinds: list[str]) -> list[str] | None:
    """The mildest single change that lowers the estimate by 3%, for a recipe that ran out of memory though it was
    planned to fit; None when none does."""
    needs = _most(recipe, kinds)
    for picked in (one for lever in levers(recipe) for one in lever):
        other = changed(recipe, (picked,))
        if other is None or _most(other, kinds) >= 0.97 * needs:
            continue
        if all((size := size_of(other, kind)) is None or size.starts for kind in kinds):
            return _told(recipe, (picked,))
    return None


def _most(recipe: Recipe, kinds: list[str]) -> float:
    """GiB of the stage that needs most."""
    return max(0.0 if (size := size_of(recipe, kind)) is None else size.gib for kind in kinds)


def _fits(recipe: Recipe, kind: str) -> bool:
    size = size_of(recipe, kind)
    return size is None or size.fits


def _all_fit(recipe: Recipe, kinds: list[str]) -> bool:
    # Training first: it is what changes are about.
    return all(_fits(recipe, kind) for kind in sorted(kinds, key=lambda kind: kind != "train"))


def _told(recipe: Recipe, picked: tuple[Change, ...]) -> list[str]:
    """The changes as a person types them in a shell, less what the recipe says already."""
    pairs = ((key, value) for one in picked for key, value in one.items())
    return [shlex.quote(f"{key}={say(value)}") for key, value in pairs if _at(recipe, key) != value]


def _at(recipe: Recipe, key: str) -> Any:
    """The recipe's own value."""
    at: Any = to_dict(recipe)
    for name in key.split("."):
        at = at.get(name) if isinstance(at, dict) else None
    return at
