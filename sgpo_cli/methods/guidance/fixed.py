"""The same length at every step (the naive guidance of the G2RPO-A paper's first experiments)."""

from __future__ import annotations

from sgpo_cli.methods.guidance.schedule import Timed
from sgpo_cli.recipe.guidance import GuidanceFixed


class Fixed(Timed):
    def __init__(self, config: GuidanceFixed, _seed: int, _steps: int) -> None:
        self.units = float(config.length)

    def at(self, done: int) -> float:
        return self.units
