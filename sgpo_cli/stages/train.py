"""Stage `train`: RL on the recipe's problems, rescued by its judge."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sgpo_cli.judging.verdict import Judge
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import close_judge, recipe_judge
from sgpo_cli.stages.standing import standing_before


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.job import run_train
    from sgpo_cli.training.stored import StoredJudge

    recipe = context.recipe
    use = recipe.judge
    judge: Judge | None = None
    teacher: Judge | None = None
    with ExitStack() as opened:
        if recipe.offline is not None:
            labels = context.inputs.get("labels") or context.inputs["rollouts"]
            judge = StoredJudge.read(Path(labels)) if recipe.rescue.kind != "none" else None
        elif use is not None:
            task = recipe.data.hops
            processes = recipe.launch.processes * recipe.launch.nodes
            judge = recipe_judge(use, task=task, processes=processes, trained=context.inputs.get("judge"))
            opened.callback(close_judge, judge)
        if recipe.offline is None and use is not None and use.train is not None and use.train.refresh_every is not None:
            teacher = recipe_judge(use, task=recipe.data.hops, card=use.train.label_with)
            opened.callback(close_judge, teacher)
        before = context.inputs.get("judged")
        return run_train(
            recipe=recipe,
            policy=context.policy(),
            judge=judge,
            stage=context.dir,
            events=context.events,
            standing=standing_before(recipe.rescue, Path(before)) if before is not None else None,
            teacher=teacher,
            stored=Path(context.inputs["rollouts"]) if recipe.offline is not None else None,
        )
