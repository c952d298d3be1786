"""Which problems each step trains on: the whole order is fixed before the first step, so any step can be resumed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from sgpo_cli.data import hops
from sgpo_cli.data.rows import HELDOUT_SEED, Lengths, Row, load_source, split_heldout, without_long
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import Recipe


@dataclass(frozen=True)
class Problems:
    """Training rows, the order they come in (indices, one a group, steps * prompts_per_step of them), held-out rows."""

    rows: list[Row]
    order: list[int]
    heldout: list[Row]
    left_out: list[Row] = field(default_factory=list)
    """Rows longer than `data.max_problem_tokens`."""


def load_problems(recipe: Recipe, lengths: Lengths | None = None) -> Problems:
    """The recipe's problems; task `hops` gives fresh ones to every step.

    `lengths` counts the tokens of prompts; without it no row is left out for its length.
    """
    data, trainer = recipe.data, recipe.trainer
    wanted = trainer.steps * trainer.prompts_per_step
    left_out: list[Row] = []
    if data.source == "hops":
        rows = hops.problems(data.hops, min(wanted, data.limit or wanted), recipe.seed, "train")
        heldout = hops.problems(data.hops, data.heldout, HELDOUT_SEED, "heldout") if data.heldout else []
    else:
        kept, left_out = without_long(load_source(data), data.max_problem_tokens, lengths)
        rows, heldout = split_heldout(kept, data.heldout)
    return Problems(rows, _order(rows, wanted, recipe), heldout, left_out)


def reorder(recipe: Recipe, rows: list[Row], heldout: list[Row]) -> Problems:
    """The problems of fixed responses, in an order drawn anew for each pass over them."""
    return Problems(rows, _order(rows, recipe.trainer.steps * recipe.trainer.prompts_per_step, recipe), heldout)


def _order(rows: Sequence[Row], wanted: int, recipe: Recipe) -> list[int]:
    """Indices of the rows, pass after pass until there are `wanted`.

    `shuffled` draws a new order for each pass; `curriculum` goes from the easiest to the hardest in each, `longest`
    from the longest text to the shortest, ties shuffled. A step never holds a problem twice unless there are fewer
    problems than a step needs.
    """
    rng = random.Random(f"order {recipe.seed}")
    fresh = recipe.data.source == "hops" and recipe.data.order == "shuffled" and len(rows) == wanted
    if fresh:
        return list(range(wanted))
    order: list[int] = []
    while len(order) < wanted:
        once = list(range(len(rows)))
        rng.shuffle(once)
        if recipe.data.order == "curriculum":
            once.sort(key=lambda i: _difficulty(rows[i]))
        elif recipe.data.order == "longest":
            once.sort(key=lambda i: -len(rows[i].problem.encode()))
        room = recipe.trainer.prompts_per_step - len(order) % recipe.trainer.prompts_per_step
        order += _without_repeats(order, once, room, recipe.trainer.prompts_per_step)
    return order[:wanted]


def _without_repeats(order: Sequence[int], once: list[int], room: int, per_step: int) -> list[int]:
    """`once`, with those that the unfinished step holds already moved behind the step's end."""
    if room == per_step or len(once) < per_step:
        return once
    held = set(order[len(order) - (per_step - room) :])
    first = [i for i in once if i not in held][:room]
    chosen = set(first)
    return first + [i for i in once if i not in chosen]


def _difficulty(row: Row) -> float:
    if row.difficulty is None:
        raise UserError(
            f"row {row.id!r} has no difficulty, and data.order is curriculum",
            where=row.where if row.place else None,
            fix="fill it in or drop such rows; data.columns.difficulty names the column that is read",
        )
    return row.difficulty
