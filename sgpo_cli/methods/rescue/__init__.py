"""Rescues: what gives an all-negative group a signal. One small file each; the registry is the dictionary below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sgpo_cli.methods.groups import RescueMethod
from sgpo_cli.methods.rescue.none import NoRescue
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.recipe.kinds import Rescue

RESCUES: dict[str, Callable[[Any], RescueMethod]] = {"none": NoRescue, "stepwise": Stepwise}
"""`rescue.kind` of a recipe to its implementation, which takes that recipe section."""


def load_rescue(config: Rescue) -> RescueMethod:
    return RESCUES[config.kind](config)
