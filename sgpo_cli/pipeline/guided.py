"""What guidance does to one group, worked out before anything is run: who is guided, with how much, and what it sees.

The schedule, the places and the cut are those that the trainer uses (methods/guidance); only the outcomes are missing,
so a schedule that follows them is shown at its start.
"""

from __future__ import annotations

from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.judging.split import split_spans
from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.guidance.allocate import guided_mask
from sgpo_cli.methods.guidance.cut import answer_reserve, cut
from sgpo_cli.methods.guidance.per_problem import PerProblem
from sgpo_cli.methods.guidance.rounding import half_up
from sgpo_cli.methods.guidance.schedule import Schedule, Timed
from sgpo_cli.pipeline.preview import origin
from sgpo_cli.pipeline.tokens import Tokens, tokenize
from sgpo_cli.recipe.guidance import GuidanceRandom, Guided
from sgpo_cli.recipe.schema import Recipe


def guided_group(recipe: Recipe, row: Row | None) -> dict[str, Any] | None:
    """One group of a guided recipe, at step 1 (None when the recipe has no guidance).

    Returns:
        `kind, unit, scope, fraction, length, max_length, loss_on_prefix, budget, max_completion_length, group_size`;
        `mask` (a bool for each rollout of a group) and `guided` (how many); `course`: `[{step, length, units}]` where
        the length follows from the step alone, None where it adapts; `example`: what a guided rollout of `row` starts
        from (see `_example`), None when the data is not read; `note`: what could not be known.
    """
    guidance = recipe.guidance
    if not isinstance(guidance, Guided):
        return None
    schedule = load_guidance(guidance, seed=recipe.seed, steps=recipe.trainer.steps)
    mask = guided_mask(guidance.fraction, recipe.trainer.group_size)
    example = None if row is None else _example(recipe, guidance, schedule, row)
    note = None
    if row is None:
        note = f"{recipe.data.source} is not read here: no trace to show"
    elif example is not None and example["prefix_tokens"] is None:
        note = "tokenizer not cached: the prefix's tokens are not counted" + (
            ", and the trace is not cut" if guidance.unit == "tokens" else ""
        )
    return {
        "kind": guidance.kind,
        "unit": guidance.unit,
        "scope": getattr(guidance, "scope", None) if guidance.kind != "judged" else "per_problem",
        "fraction": guidance.fraction,
        "length": guidance.length,
        "max_length": guidance.cap,
        "loss_on_prefix": guidance.loss_on_prefix,
        "budget": guidance.budget,
        "max_completion_length": recipe.trainer.max_completion_length,
        "group_size": recipe.trainer.group_size,
        "guided": sum(mask),
        "mask": list(mask),
        "course": _course(guidance, schedule, recipe.trainer.steps),
        "example": example,
        "note": note,
    }
