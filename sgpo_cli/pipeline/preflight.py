"""What is looked at before the first stage is paid for: a broken row 900 is told now, not after the warm-up."""

from __future__ import annotations

from pathlib import Path

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.rules.generation import VLLM_FIX, missing_engine
from sgpo_cli.recipe.schema import Recipe

PLAN_BYTES = 20_000_000
"""`sgpo plan` answers at once: it reads whole files up to this size, and only the first row of larger ones."""


def check_engine(recipe: Recipe) -> None:
    """`UserError` when what is to generate is not installed."""
    if (missing := missing_engine(recipe.generation)) is not None:
        raise UserError(missing, where="generation.engine", fix=VLLM_FIX)


def check_local_data(recipe: Recipe, *, at_most: int | None = None) -> None:
    """Reads every row of a local file (of at most `at_most` bytes) as training will; `UserError` names row or line.

    Built-in tasks, folders of `datasets` and hub ids are left to the stages.
    """
    source = Path(recipe.data.source)
    if not source.is_file() or (at_most is not None and source.stat().st_size > at_most):
        return
    from sgpo_cli.training.problems import load_problems

    problems = load_problems(recipe)
    graded = any(reward.kind in {"math", "exact"} for reward in recipe.reward)
    for row in [*problems.rows, *problems.heldout]:
        if graded and not (row.answer or "").strip():
            raise UserError(
                f"row {row.id!r} has no answer to compare with",
                where=str(source),
                fix="name the column of the gold answers: data.columns.answer=...",
            )
        if recipe.warmup.kind == "sft" and not (row.solution or "").strip():
            raise UserError(
                f"row {row.id!r} has no solution to learn in the warm-up",
                where=str(source),
                fix="name the column of the solutions: data.columns.solution=...; or set warmup={kind: none}",
            )
