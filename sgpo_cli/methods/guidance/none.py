"""Plain rollouts: no prefix."""

from __future__ import annotations

from sgpo_cli.methods.guidance.schedule import Timed
from sgpo_cli.recipe.guidance import GuidanceNone


class NoGuidance(Timed):
    def __init__(self, _config: GuidanceNone, _seed: int, _steps: int) -> None:
        pass

    def at(self, done: int) -> float:
        return 0.0
