"""The special tokens around a prompt and an answer, from the tokenizer's files on this machine; no heavy library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.pipeline.template import config_of, token_text
from sgpo_cli.recipe.schema import Recipe


@dataclass(frozen=True, slots=True)
class Special:
    """What begins a prompt and what ends an answer."""

    bos: str | None
    """None where the tokenizer has none."""
    stops: list[dict[str, Any]]
    """`id` and `token` of each."""

    def begins(self, tokens: Sequence[str]) -> dict[str, Any]:
        """`token` (BOS) and whether a prompt of `tokens` begins with it, under `at_start`."""
        return {"token": self.bos, "at_start": bool(tokens) and self.bos is not None and tokens[0] == self.bos}

    def twice(self, tokens: Sequence[str]) -> Mistake | None:
        """Told when a prompt of `tokens` begins with two BOS tokens."""
        if self.bos is None or list(tokens[:2]) != [self.bos, self.bos]:
            return None
        return Mistake(
            f"the prompt begins with two BOS tokens ({self.bos}): the tokenizer adds one by itself",
            fix="take it out of data.prompt or of the chat template",
        )


def special_of(recipe: Recipe) -> Special | None:
    """Those of the recipe's model; None when its tokenizer is not on this machine.

    A model built from scratch has those of its task's words, or of the stand-in's bytes.
    """
    if recipe.model.path is not None:
        return special_in(recipe.model.path)
    if recipe.data.source == "hops":
        from sgpo_cli.data.hops_text import BOS, EOS, vocabulary

        return Special(BOS, [{"id": vocabulary(recipe.data.hops).index(EOS), "token": EOS}])
    from sgpo_cli.generation.standin import END, SPECIALS

    return Special(None, [{"id": SPECIALS.index(END), "token": END}])


def special_in(path: str) -> Special | None:
    """Of a model's folder or of the hub's cache: the tokenizer's EOS ends an answer, and so do the tokens that the
    generation config names (chat models name more than one)."""
    file = cached_file(path, "tokenizer.json")
    if file is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    config = config_of(path, "tokenizer_config.json")
    eos = token_text(config.get("eos_token"))
    named = config_of(path, "generation_config.json").get("eos_token_id")
    told = [tokenizer.token_to_id(eos) if eos is not None else None, *(named if isinstance(named, list) else [named])]
    ids = sorted({one for one in told if isinstance(one, int)})
    return Special(
        token_text(config.get("bos_token")), [{"id": one, "token": tokenizer.id_to_token(one)} for one in ids]
    )
