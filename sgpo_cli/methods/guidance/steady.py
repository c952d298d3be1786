"""Our controller: hold the guided rollouts' success rate y near a target.

Guidance teaches most while guided rollouts sometimes succeed: always right, there is nothing to learn from them, and
they only raise the baseline of the unguided; never right, the group stays all-negative. So y is held, not a length:

    y~ <- ema * y~ + (1 - ema) * y           (the first y as it is)
    e  <- target - y~, drawn towards 0 by band
    l  <- clip(l + gain * max_length * e, 0, max_length)

Why this form. The plant y = p(l, skill) rises with l at any skill, so an integral controller has one resting place,
p(l) within `band` of the target, and comes back to it: at constant skill it does not wander, as l <- l*a/r does.
Adding, instead of multiplying, leaves l = 1 and l = 0 as easily as any other length; y = 0 is the largest error, not a
stop. y is a mean of few rollouts (64 in the lab: standard error .06); smoothing brings that down by the factor
sqrt((1-ema)/(1+ema)), to .04, under the dead band. A step moves l by at most gain * max_length * max(target, 1-target):
no ratio can explode. The bounds are inside the sum, so that nothing winds up beyond them.

Stability. With relative slope s = max_length * dp/dl the linear loop has z^2 - (1 + ema - K) z + ema = 0 with
K = gain * s * (1 - ema), stable for 0 < K < 2 (1 + ema). The defaults (gain .2, ema .5) allow s < 30; a chain of 10
steps has s of about 2.

As the policy learns, l falls by itself; once it succeeds without help more often than the target, l reaches 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sgpo_cli.methods.guidance.signal import Signal
from sgpo_cli.recipe.guidance import GuidanceSteady


@dataclass(frozen=True, slots=True)
class SteadyState:
    length: float
    rate: float | None = None
    """The smoothed success rate of the guided rollouts."""


class Steady:
    def __init__(self, config: GuidanceSteady, _seed: int, _steps: int) -> None:
        self.config = config
        self.longest = float(config.cap)

    def start(self) -> SteadyState:
        return SteadyState(float(self.config.length))

    def update(self, state: SteadyState, signal: Signal) -> SteadyState:
        """Unchanged by a step without a graded guided rollout."""
        if signal.guided is None:
            return state
        ema = self.config.ema
        rate = signal.guided if state.rate is None else ema * state.rate + (1.0 - ema) * signal.guided
        error = self.config.target - rate
        error = math.copysign(max(0.0, abs(error) - self.config.band), error)
        length = state.length + self.config.gain * self.longest * error
        return SteadyState(min(max(length, 0.0), self.longest), rate)

    def length(self, state: SteadyState, problem: str) -> float:
        return state.length

    def mean_length(self, state: SteadyState) -> float:
        return state.length

    def to_json(self, state: SteadyState) -> dict[str, Any]:
        return {"length": state.length, "rate": state.rate}

    def from_json(self, data: Mapping[str, Any]) -> SteadyState:
        rate = data["rate"]
        return SteadyState(float(data["length"]), None if rate is None else float(rate))
