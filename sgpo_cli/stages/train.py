"""Stage `train`: RL on the recipe's problems, rescued by its judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import close_judge, recipe_judge
from sgpo_cli.stages.standing import standing_before


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.job import run_train

    recipe = context.recipe
    judge = None
    if recipe.judge is not None:
        judge = recipe_judge(recipe.judge, task=recipe.data.hops, processes=recipe.launch.processes)
    standing = standing_before(recipe.rescue, Path(context.inputs["judged"])) if "judged" in context.inputs else None
    try:
        return run_train(
            recipe=recipe,
            policy=context.policy(),
            judge=judge,
            stage=context.dir,
            events=context.events,
            standing=standing,
        )
    finally:
        if judge is not None:
            close_judge(judge)
