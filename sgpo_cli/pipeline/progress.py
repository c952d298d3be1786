"""How far an interrupted stage has come, from its checkpoints: the steps that the same command would still do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sgpo_cli.pipeline.cost.estimate import estimate
from sgpo_cli.pipeline.plan import PlannedStage
from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.training.checkpoints import newest
from sgpo_cli.training.warmup_watch import newest_checkpoint


def estimate_left(recipe: Recipe, stage: PlannedStage) -> dict[str, Any]:
    """The estimate of a stage; where it would go on from a checkpoint of the steps that are left, with `steps {left,
    of}`."""
    found = steps_left(recipe, stage)
    if found is None:
        return estimate(recipe, stage.kind)
    left, total = found
    return {**estimate(what_is_left(recipe, stage.kind, left), stage.kind), "steps": {"left": left, "of": total}}


def steps_left(recipe: Recipe, stage: PlannedStage) -> tuple[int, int] | None:
    """(steps left, steps in all) of a stage that would go on from a checkpoint; None of one that would begin anew."""
    total = _steps(recipe, stage.kind)
    if total is None or stage.status() != "resume":
        return None
    done = _done(stage)
    return None if done is None else (max(0, total - done), total)


def what_is_left(recipe: Recipe, kind: str, left: int) -> Recipe:
    """The recipe with so many steps of that stage: what its estimate is made for. Zero steps are no recipe to run."""
    if kind == "train":
        return replace(recipe, trainer=replace(recipe.trainer, steps=left))
    if kind == "warmup" and isinstance(recipe.warmup, WarmupSft):
        return replace(recipe, warmup=replace(recipe.warmup, steps=left))
    train = recipe.judge.train if recipe.judge is not None else None
    assert recipe.judge is not None and train is not None
    return replace(recipe, judge=replace(recipe.judge, train=replace(train, steps=left)))


def _steps(recipe: Recipe, kind: str) -> int | None:
    """The steps of a stage that has some."""
    if kind == "train":
        return recipe.trainer.steps
    if kind == "warmup" and isinstance(recipe.warmup, WarmupSft):
        return recipe.warmup.steps
    train = recipe.judge.train if recipe.judge is not None else None
    return train.steps if kind == "judge_train" and train is not None else None


def _done(stage: PlannedStage) -> int | None:
    """Steps done at the newest whole checkpoint; None without one. Supervised training numbers folders by steps."""
    if stage.kind == "train":
        found = newest(stage.dir.checkpoints)
        return found[1].step if found is not None else None
    folder = newest_checkpoint(stage.dir.checkpoints)
    return int(folder.name.rpartition("-")[2]) if folder is not None else None
