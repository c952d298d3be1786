"""Configurations and signals for the tests of guidance."""

from __future__ import annotations

from typing import Any

from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.guidance.schedule import Schedule
from sgpo_cli.methods.guidance.signal import ProblemFact, Signal
from sgpo_cli.recipe.kinds import Guidance
from sgpo_cli.recipe.load import from_dict


def schedule(kind: str, *, seed: int = 0, steps: int = 100, **settings: Any) -> Schedule[Any]:
    """A schedule as a recipe would make it, through the schema."""
    config = from_dict(Guidance, {"kind": kind, "length": 6, "loss_on_prefix": False, **settings})
    return load_guidance(config, seed=seed, steps=steps)


def rate(value: float | None, step: int = 1) -> Signal:
    """All three means are `value`."""
    return Signal(step, value, value, value)


def told(step: int, *facts: ProblemFact) -> Signal:
    return Signal(step, 0.5, 0.5, 0.5, facts)


def lengths(made: Schedule[Any], signals: list[Signal], problem: str = "p") -> list[float]:
    """The length after each signal."""
    state, found = made.start(), []
    for signal in signals:
        state = made.update(state, signal)
        found.append(made.length(state, problem))
    return found
