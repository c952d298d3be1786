"""The cross-field checks: combinations that cannot work are found before any model is loaded, all at once.

The rules are in rules/, one file a subject. A rule whose keys are mistaken in themselves is left out: it would judge
a default that nobody asked for.
"""

from __future__ import annotations

from sgpo_cli.errors import Mistake
from sgpo_cli.recipe.nodes import Findings, Place
from sgpo_cli.recipe.rules import (
    accelerate_file,
    batch,
    generation,
    guidance,
    judges,
    launch,
    learned,
    method,
    model,
    offline,
    outside,
    problems,
    rewards,
    trl,
)
from sgpo_cli.recipe.rules.view import RULES, View
from sgpo_cli.recipe.schema import Recipe

SUBJECTS = (
    batch,
    model,
    problems,
    rewards,
    judges,
    learned,
    method,
    guidance,
    generation,
    launch,
    accelerate_file,
    offline,
    outside,
    trl,
)
"""The modules whose rules are registered, by being imported."""


def check_recipe(recipe: Recipe, places: dict[str, Place], findings: Findings) -> list[Mistake]:
    """Adds the mistakes of `recipe` to `findings` (which may hold the walker's already); the warnings are returned.

    `places` maps the dotted path of every key that is written down to its place; "" is the recipe itself.
    """
    view = View(recipe, places, findings)
    sure = [rule for rule, paths in RULES if not any(findings.spoiled(path) for path in paths)]
    for rule in sure:
        rule(view)
    files = list(dict.fromkeys(place.file for place in places.values() if place.file is not None))
    return view.warnings.mistakes(files)
