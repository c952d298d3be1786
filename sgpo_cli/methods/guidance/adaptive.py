"""G2RPO-A's rule (arXiv 2508.13023): l <- l * a / r, a the mean of earlier signals, r the current one.

Rising signals shorten the guidance, falling ones lengthen it. Two presets, re-derived from what is published:

- `paper`: every step; a is the mean of the m = min(T, k) signals before the current one; l is kept as a real number.
- `released_code`: a cycle of T + 1 steps that do not overlap: T collect, the next one compares. l is clipped to
  [1, max] and rounded down when it is kept.

In both, T = 2, and l is unchanged when there is nothing before, and when a or r is 0. Known to wander at constant
skill (a multiplicative random walk), to stay at 1 once it is there (rounding down), and to stop when every answer is
wrong (the zeros): `steady` is our answer; `min_step`, `ema` and `ratio_clip` soften this rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sgpo_cli.methods.guidance.rounding import floor_units, half_up
from sgpo_cli.methods.guidance.signal import Signal
from sgpo_cli.recipe.guidance import GuidanceAdaptive

WINDOW = 2
"""T of both presets."""


@dataclass(frozen=True, slots=True)
class RatioState:
    length: float
    before: tuple[float, ...] = ()
    """The signals to compare with: the last T (paper), or those collected in this cycle (released_code)."""
    smooth: float | None = None
    """The smoothed signal, under `ema`."""


class Adaptive:
    def __init__(self, config: GuidanceAdaptive, _seed: int, _steps: int) -> None:
        self.config = config
        self.cycle = config.preset == "released_code"
        self.window = WINDOW if config.window is None else config.window
        self.lowest = config.lowest
        default: Literal["none", "floor"] = "floor" if self.cycle else "none"
        self.rounding = default if config.rounding is None else config.rounding

    def start(self) -> RatioState:
        return RatioState(float(self.config.length))

    def update(self, state: RatioState, signal: Signal) -> RatioState:
        """Unchanged by a step without a signal (nothing was graded): it is not a zero."""
        raw = signal.unguided if self.config.signal == "unguided" else signal.accuracy
        if raw is None:
            return state
        now = self._smoothed(state.smooth, raw)
        smooth = None if self.config.ema is None else now
        if self.cycle and len(state.before) < self.window:
            return RatioState(state.length, (*state.before, now), smooth)
        length = self._moved(state.length, state.before, now)
        before = () if self.cycle else (*state.before, now)[-self.window :]
        return RatioState(length, before, smooth)

    def _smoothed(self, past: float | None, raw: float) -> float:
        ema = self.config.ema
        return raw if ema is None or past is None else ema * past + (1.0 - ema) * raw

    def _moved(self, length: float, before: tuple[float, ...], now: float) -> float:
        mean = math.fsum(before) / len(before) if before else 0.0
        if mean <= 0.0 or now <= 0.0:
            return length
        ratio = mean / now
        if self.config.ratio_clip is not None:
            ratio = min(max(ratio, 1.0 / self.config.ratio_clip), self.config.ratio_clip)
        wanted = self._kept(length * ratio)
        least = self.config.min_step or 0.0
        if ratio != 1.0 and abs(wanted - length) < least:
            wanted = self._kept(length + math.copysign(least, ratio - 1.0))
        return wanted

    def _kept(self, length: float) -> float:
        """Clipped, then rounded; the bounds hold afterwards too."""
        length = min(max(length, self.lowest), float(self.config.cap))
        if self.rounding != "none":
            length = float(floor_units(length) if self.rounding == "floor" else half_up(length))
        return min(max(length, self.lowest), float(self.config.cap))

    def length(self, state: RatioState, problem: str) -> float:
        return state.length

    def mean_length(self, state: RatioState) -> float:
        return state.length

    def to_json(self, state: RatioState) -> dict[str, Any]:
        return {"length": state.length, "before": list(state.before), "smooth": state.smooth}

    def from_json(self, data: Mapping[str, Any]) -> RatioState:
        smooth = data["smooth"]
        before = tuple(float(value) for value in data["before"])
        return RatioState(float(data["length"]), before, None if smooth is None else float(smooth))
