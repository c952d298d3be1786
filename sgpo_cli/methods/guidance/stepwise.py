"""length * factor^floor(t / every), t the steps made."""

from __future__ import annotations

from sgpo_cli.methods.guidance.schedule import Timed
from sgpo_cli.recipe.guidance import GuidanceStepwise


class StepwiseGuidance(Timed):
    def __init__(self, config: GuidanceStepwise, _seed: int, _steps: int) -> None:
        self.first = float(config.length)
        self.factor = config.factor
        self.every = config.every

    def at(self, done: int) -> float:
        return self.first * self.factor ** (done // self.every)
