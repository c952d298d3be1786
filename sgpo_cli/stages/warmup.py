"""Stage `warmup`: supervised fine-tuning before RL; its result is shared between recipes with an equal warm-up."""

from __future__ import annotations

from typing import Any

from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.stages.context import StageContext


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.warmup import run_warmup

    recipe = context.recipe
    assert isinstance(recipe.warmup, WarmupSft)
    run_warmup(
        model=recipe.model, data=recipe.data, warmup=recipe.warmup, stage=context.dir, events=context.events
    )
    return {"policy": str(context.dir.final)}
