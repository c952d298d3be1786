"""Recipes that have a judge section only: they train or measure a judge, and no policy."""

from __future__ import annotations

from sgpo_cli.recipe.schema import Recipe


def only_judge(recipe: Recipe) -> bool:
    """Whether a recipe has a judge and nothing that speaks of a policy: no model, reward, warm-up, rescue, guidance or
    benchmark."""
    return (
        recipe.judge is not None
        and recipe.model.path is None
        and recipe.model.scratch is None
        and not recipe.reward
        and not recipe.benchmarks
        and recipe.warmup.kind == recipe.rescue.kind == recipe.guidance.kind == "none"
    )
