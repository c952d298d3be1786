"""Samples responses from a stage's policy, in batches that can be stopped between."""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.data.rows import Row
from sgpo_cli.generation.engine import Completion
from sgpo_cli.runs import stops
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.engines import batch_rows
from sgpo_cli.stages.policy import open_engine

_BATCH = 128


def rows_at_once(longest: int) -> int:
    """Responses of at most so many tokens that are sampled side by side; long ones fewer, for their cache's sake."""
    return min(_BATCH, batch_rows(longest))


def sample(context: StageContext, rows: Sequence[Row], *, seed: int, stopped: str) -> list[Completion]:
    """One response a row, sampled as the recipe's rollouts are; `stopped` is said when a stop is asked for."""
    from sgpo_cli.generation.prompts import fill

    recipe = context.recipe
    engine, ask = open_engine(context, top_k=recipe.generation.top_k)
    completions: list[Completion] = []
    size = rows_at_once(recipe.trainer.max_completion_length)
    for start in range(0, len(rows), size):
        stops.raise_if_asked(stopped)
        batch = rows[start : start + size]
        completions += engine.generate(
            [ask(fill(recipe.data.prompt, row.problem)) for row in batch],
            max_new_tokens=recipe.trainer.max_completion_length,
            temperature=recipe.generation.temperature,
            top_p=recipe.generation.top_p,
            seed=seed + start,
        )
        context.events.emit("progress", step=len(completions), total=len(rows))
    return completions
