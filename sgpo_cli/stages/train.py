"""Stage `train`: RL on the recipe's problems, rescued by its judge."""

from __future__ import annotations

from typing import Any

from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import open_judge


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.job import run_train

    recipe = context.recipe
    return run_train(
        recipe=recipe,
        policy=context.policy(),
        judge=open_judge(recipe.judge.card, task=recipe.data.hops) if recipe.judge else None,
        stage=context.dir,
        events=context.events,
    )
