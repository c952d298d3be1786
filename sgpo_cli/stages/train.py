"""Stage `train`: RL on the recipe's problems, rescued by its judge."""

from __future__ import annotations

from typing import Any

from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import close_judge, recipe_judge


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.job import run_train

    recipe = context.recipe
    judge = None
    if recipe.judge is not None:
        judge = recipe_judge(recipe.judge, task=recipe.data.hops, processes=recipe.launch.processes)
    try:
        return run_train(recipe=recipe, policy=context.policy(), judge=judge, stage=context.dir, events=context.events)
    finally:
        if judge is not None:
            close_judge(judge)
