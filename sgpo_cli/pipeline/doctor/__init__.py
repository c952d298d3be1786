"""`sgpo doctor`: what works on this machine, and for one recipe or model; one file a subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sgpo_cli.pipeline.doctor import machine, model, network, packages, torch_child
from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.recipe.load import LoadedRecipe
from sgpo_cli.recipe.schema import Model, Recipe

Say = Callable[[str], None]


def examine(
    loaded: LoadedRecipe | None, *, path: str | None = None, online: bool = False, say: Say = lambda text: None
) -> Iterator[Finding]:
    """Findings as they are made; those that take longest last. `path`: a model to look at in the recipe's place.

    `say` is told what is waited for.
    """
    recipe = loaded.recipe if loaded is not None else None
    child = torch_child.start()
    try:
        yield packages.python()
        there = packages.installed()
        yield from packages.lineup(there)
        yield machine.memory()
        yield from machine.disk(loaded)
        yield machine.sandbox(recipe)
        if loaded is not None and recipe is not None:
            yield from packages.wanted_by(recipe)
            yield from _odd(loaded)
        asked = _asked(recipe, path)
        if asked is not None:
            yield from model.model(asked)
        if online:
            say("asking the hub")
            yield from network.hub(asked if path is not None else recipe)
        if recipe is not None:
            if online:
                say("asking the servers of sampler and judge")
                yield from network.sampler(recipe)
            yield from network.judges(recipe, online=online)
        say("waiting for torch")
        yield from torch_child.findings(child, recipe)
    finally:
        child.kill()
        child.communicate()


def _asked(recipe: Recipe | None, path: str | None) -> Recipe | None:
    """The recipe with the model that is to be looked at."""
    if path is None:
        return recipe
    return Recipe(name="doctor", model=Model(path=path))


def _odd(loaded: LoadedRecipe) -> list[Finding]:
    """The recipe's own warnings; what is not installed has a finding already."""
    kept = [one for one in loaded.warnings if "is not installed" not in one.what]
    return [
        Finding("recipe", "warning", one.what if one.where is None else f"{one.where}: {one.what}", one.fix)
        for one in kept
    ] or [Finding("recipe", "ok", f"{loaded.path.name} loads")]


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """`ok` (no error), `findings [{subject, level, what, fix}]`."""
    told = [{"subject": f.subject, "level": f.level, "what": f.what, "fix": f.fix} for f in findings]
    return {"ok": all(finding.level != "error" for finding in findings), "findings": told}
