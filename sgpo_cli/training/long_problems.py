"""Problems longer than the model reads: counted before anything is paid for, named, and left out where that is asked.

The same words for `sgpo plan`, which counts with the tokenizer's file alone (pipeline/long_prompts.py), and for the
stages, which have the real tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sgpo_cli.data.rows import Lengths, Row
from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import fill, prompt_ids, render
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.recipe.schema import Model, Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SLACK = 8
"""Tokens that may come or go where a problem meets what stands around it."""


def prompt_lengths(model: Model, template: str, tokenizer: PreTrainedTokenizerBase) -> Lengths:
    """Counts the tokens of rows' prompts as training asks them: `template` filled in, chat messages where there are."""

    def count(rows: Sequence[Row]) -> list[int]:
        prompts = [
            render(fill(template, row.problem), tokenizer, chat=model.chat, system=model.system_prompt) for row in rows
        ]
        return [len(ids) for ids in prompt_ids(prompts, tokenizer)]

    return count


def may_exceed(rows: Sequence[Row], lengths: Lengths, room: int) -> list[Row]:
    """The rows whose prompt may have more than `room` tokens: a text has no more tokens than bytes."""
    around = lengths([Row(id="", problem="0")])[0] + _SLACK
    return [row for row in rows if around + len(row.problem.encode("utf-8", "replace")) > room]


def left_out_words(left_out: Sequence[Row], kept: int, most: int) -> str | None:
    """What to tell of rows that `data.max_problem_tokens` left out; None when it left out none."""
    if not left_out:
        return None
    are = "1 row is" if len(left_out) == 1 else f"{len(left_out):,} rows are"
    return (
        f"{are} left out of {len(left_out) + kept:,}: longer than data.max_problem_tokens {most:,} "
        f"(the first: {left_out[0].where})"
    )


def look_at_lengths(recipe: Recipe, rows: Sequence[Row], lengths: Sequence[int], context: int) -> str | None:
    """What to warn of when prompts (`lengths` in tokens, a row each) and answers do not fit `context` together.

    `rows` may be those alone that `may_exceed` left.

    Raises:
        UserError: a prompt fills the context alone; all such rows are counted and the first one is named.
    """
    answer = longest_answer(recipe)
    too_long = [(row, count) for row, count in zip(rows, lengths, strict=True) if count >= context]
    if too_long:
        row, count = too_long[0]
        others = "" if len(too_long) == 1 else f", and {len(too_long) - 1:,} more have too many"
        raise UserError(
            f"this problem has {count:,} tokens{others}, and the model reads at most {context:,}, answers included",
            where=row.where,
            fix=_way_out(recipe, context),
        )
    tight = [(row, count) for row, count in zip(rows, lengths, strict=True) if count + answer > context]
    if not tight:
        return None
    row, count = max(tight, key=lambda pair: pair[1])
    have = "1 row has" if len(tight) == 1 else f"{len(tight):,} rows have"
    return (
        f"{have} a prompt so long (up to {count:,} tokens: {row.where}) that with an answer of "
        f"{answer:,} tokens it does not fit the model's {context:,} positions; "
        f"{_way_out(recipe, context)}"
    )


def longest_answer(recipe: Recipe) -> int:
    """Tokens of a response at its longest: with guidance on top of the budget, at least a token a unit of it."""
    guidance = recipe.guidance
    more = guidance.cap if isinstance(guidance, Guided) and guidance.budget == "extra" else 0
    return recipe.trainer.max_completion_length + more


def _way_out(recipe: Recipe, context: int) -> str:
    """What can be done: leave rows out, and for a model of our own making give it more positions."""
    room = context - longest_answer(recipe)
    ways = []
    if room <= 0:
        ways.append("lower trainer.max_completion_length")
    elif recipe.data.source != "hops":  # its problems are all of one length
        ways.append(f"leave such rows out: data.max_problem_tokens={room}")
    if recipe.model.path is None:
        ways.append("raise model.scratch.context")
    return ", or ".join(ways)
