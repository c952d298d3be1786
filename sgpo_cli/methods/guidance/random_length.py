"""A length for each problem of each step, uniform over low..length, ends included.

A pure function of (seed, step, problem): no generator whose position a checkpoint would have to keep, and every rank
and every rollout of the group draws the same.
"""

from __future__ import annotations

from random import Random

from sgpo_cli.methods.guidance.schedule import Clock, Timed
from sgpo_cli.recipe.guidance import GuidanceRandom


class RandomLength(Timed):
    def __init__(self, config: GuidanceRandom, seed: int, _steps: int) -> None:
        self.low = config.low
        self.high = config.length
        self.seed = seed

    def at(self, done: int) -> float:
        """The mean of the draws."""
        return (self.low + self.high) / 2.0

    def length(self, state: Clock, problem: str) -> float:
        # A text seeds `Random` by its SHA-512: the same on every machine and Python, unlike hash().
        return float(Random(f"guidance {self.seed} {state.done} {problem}").randint(self.low, self.high))
