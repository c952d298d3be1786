"""How long problems are as prompts, counted from what is on this machine, so that a plan says which do not fit.

A prompt has no more tokens than bytes, so only rows that are long in bytes are rendered and tokenized.
"""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.data.rows import Lengths, Row
from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.pipeline.preview import asked
from sgpo_cli.recipe.schema import Recipe

_SPECIAL = 2
"""Tokens that a tokenizer may put around a text."""


def prompt_lengths(recipe: Recipe, exact_from: int) -> Lengths | None:
    """Counts the tokens of rows' prompts as the policy will see them; None when its tokenizer is not on this machine.

    A count below `exact_from` is an upper bound, bytes in the place of tokens.
    """
    if recipe.model.path is not None and cached_file(recipe.model.path, "tokenizer.json") is None:
        return None

    def count(rows: Sequence[Row]) -> list[int]:
        around = len(_bytes(asked(recipe, "")[0])) + _SPECIAL
        counts = [around + len(_bytes(row.problem)) for row in rows]
        long = [i for i, most in enumerate(counts) if most >= exact_from]
        for i, exact in zip(long, _tokens(recipe, [rows[i].problem for i in long]), strict=True):
            counts[i] = exact
        return counts

    return count


def _tokens(recipe: Recipe, problems: Sequence[str]) -> list[int]:
    """Exact counts; the recipe's tokenizer is on this machine and reads text (not task `hops`)."""
    if not problems:
        return []
    texts, special = zip(*(asked(recipe, problem) for problem in problems), strict=True)
    if recipe.model.path is None:
        return [len(_bytes(text)) for text in texts]  # the stand-in has one token a byte (generation/standin.py)
    from tokenizers import Tokenizer

    file = cached_file(recipe.model.path, "tokenizer.json")
    assert file is not None
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [len(found.ids) for found in tokenizer.encode_batch(list(texts), add_special_tokens=special[0])]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
