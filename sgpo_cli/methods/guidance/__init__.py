"""Guidance: how much of the ground-truth trace a rollout starts from. Plain Python, one small file a schedule.

A step goes: `length(state, problem)` for each problem, `cut` to whole units of its trace, rollouts, `summarise`,
`update`. Evaluation has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sgpo_cli.methods.guidance.adaptive import Adaptive
from sgpo_cli.methods.guidance.falling import Cosine, Linear, Power
from sgpo_cli.methods.guidance.fixed import Fixed
from sgpo_cli.methods.guidance.judged import Judged
from sgpo_cli.methods.guidance.none import NoGuidance
from sgpo_cli.methods.guidance.per_problem import PerProblem
from sgpo_cli.methods.guidance.random_length import RandomLength
from sgpo_cli.methods.guidance.schedule import Schedule
from sgpo_cli.methods.guidance.steady import Steady
from sgpo_cli.methods.guidance.stepwise import StepwiseGuidance
from sgpo_cli.recipe.guidance import Guidance, Scheduled

GUIDANCES: dict[str, Callable[[Any, int, int], Schedule[Any]]] = {
    "none": NoGuidance,
    "fixed": Fixed,
    "linear": Linear,
    "power": Power,
    "stepwise": StepwiseGuidance,
    "cosine": Cosine,
    "random": RandomLength,
    "adaptive": Adaptive,
    "steady": Steady,
    "judged": Judged,
}
"""`guidance.kind` of a recipe to its schedule, which takes that section, the recipe's seed and `trainer.steps`."""


def load_guidance(config: Guidance, *, seed: int, steps: int) -> Schedule[Any]:
    """The schedule of a recipe, with its scope; `seed` and `steps` are the recipe's `seed` and `trainer.steps`."""
    schedule = GUIDANCES[config.kind](config, seed, steps)
    if isinstance(config, Scheduled) and config.scope == "per_problem":
        return PerProblem(schedule, config)
    return schedule
