"""Stage `train`: RL on the recipe's problems, rescued by its judge."""

from __future__ import annotations

from typing import Any

from sgpo_cli.stages.context import StageContext


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.stages.judge import open_judge
    from sgpo_cli.training.job import run_train

    judge = open_judge(context.recipe) if context.recipe.judge is not None else None
    return run_train(
        recipe=context.recipe,
        policy=context.policy(),
        judge=judge,
        stage=context.dir,
        events=context.events,
    )
