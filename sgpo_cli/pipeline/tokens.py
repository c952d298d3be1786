"""Tokens of a text as the recipe's model will see them, from what is on this machine; no heavy library is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.recipe.schema import Recipe


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens in order; `ends` are the character offsets where each one ends (0 for a special token)."""

    texts: list[str]
    ends: list[int]

    def __len__(self) -> int:
        return len(self.texts)

    def within(self, end: int) -> int:
        """How many tokens lie wholly in the first `end` characters."""
        return next((i for i, stop in enumerate(self.ends) if stop > end), len(self.ends))


def tokenize(recipe: Recipe, text: str, *, special: bool = False) -> Tokens | None:
    """The tokens of `text`, with the special ones that the tokenizer adds when `special`; None when it is not here.

    A model built from scratch has the task's words, or bytes, for tokens; for another the tokenizer.json of its folder
    or of the hub's cache is read.
    """
    if recipe.model.path is None:
        return _words(text, special=special) if recipe.data.source == "hops" else _bytes(text)
    file = cached_file(recipe.model.path, "tokenizer.json")
    if file is None:
        return None
    from tokenizers import Tokenizer

    encoded = Tokenizer.from_file(str(file)).encode(text, add_special_tokens=special)
    return Tokens(encoded.tokens, [end for _, end in encoded.offsets])


def _words(text: str, *, special: bool) -> Tokens:
    """Task `hops` has one token a word (data/hops_text.py)."""
    from sgpo_cli.data.hops_text import BOS

    found = list(re.finditer(r"\S+", text))
    first = [BOS] if special else []
    return Tokens([*first, *(word.group() for word in found)], [*(0 for _ in first), *(word.end() for word in found)])


def _bytes(text: str) -> Tokens:
    """The stand-in tokenizer has one token a byte (generation/standin.py)."""
    ends = [place for place, character in enumerate(text, start=1) for _ in character.encode("utf-8", "replace")]
    return Tokens([text[end - 1] for end in ends], ends)
