"""How many of a response's steps are right, where the task itself knows."""

from __future__ import annotations

from collections.abc import Callable

from sgpo_cli.data import hops
from sgpo_cli.judging.split import split_steps
from sgpo_cli.methods.prefix import steps_score
from sgpo_cli.recipe.schema import HopsTask


def steps_right_of(task: HopsTask) -> Callable[[str, str], float]:
    """For task `hops`: the share of a response's steps before the first wrong one; steps left out count as wrong."""

    def share(problem: str, response: str) -> float:
        steps = split_steps(response)
        if not steps:
            return 0.0
        return steps_score(
            hops.first_wrong_step(task, problem, steps), max(len(steps), hops.steps_needed(task, problem))
        )

    return share
