"""Stage `warmup`: the policy before RL, shared between recipes with an equal warm-up.

Supervised fine-tuning; or, for a model from scratch without a warm-up, its random weights.
"""

from __future__ import annotations

from typing import Any

from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.stages.context import StageContext


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.random_policy import save_random
    from sgpo_cli.training.warmup import run_warmup

    recipe = context.recipe
    if isinstance(recipe.warmup, WarmupSft):
        run_warmup(model=recipe.model, data=recipe.data, warmup=recipe.warmup, stage=context.dir, events=context.events)
    else:
        save_random(recipe.model, recipe.data, context.dir.final, seed=recipe.seed)
    return {"policy": str(context.dir.final)}
