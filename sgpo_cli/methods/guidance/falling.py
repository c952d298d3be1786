"""Courses from `length` down to 0. With t the share of `end * steps` that has passed, at most 1:

linear l0*(1-t) (the one course in the released G2RPO-A code), power l0*(1-t)^p, cosine l0*(1+cos(pi*t))/2.
The first step has t = 0.
"""

from __future__ import annotations

import math

from sgpo_cli.methods.guidance.schedule import Timed
from sgpo_cli.recipe.guidance import Falling, GuidanceCosine, GuidanceLinear, GuidancePower


class _Course(Timed):
    def __init__(self, config: Falling, steps: int) -> None:
        self.first = float(config.length)
        self.span = config.end * steps

    def passed(self, done: int) -> float:
        """t, in [0,1]."""
        return min(1.0, done / self.span)


class Linear(_Course):
    def __init__(self, config: GuidanceLinear, _seed: int, steps: int) -> None:
        super().__init__(config, steps)

    def at(self, done: int) -> float:
        return self.first * (1.0 - self.passed(done))


class Power(_Course):
    def __init__(self, config: GuidancePower, _seed: int, steps: int) -> None:
        super().__init__(config, steps)
        self.exponent = config.exponent

    def at(self, done: int) -> float:
        return self.first * (1.0 - self.passed(done)) ** self.exponent


class Cosine(_Course):
    def __init__(self, config: GuidanceCosine, _seed: int, steps: int) -> None:
        super().__init__(config, steps)

    def at(self, done: int) -> float:
        return self.first * (1.0 + math.cos(math.pi * self.passed(done))) / 2.0
