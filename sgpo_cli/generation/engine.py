"""The interface behind which answers are sampled; engines stand in files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sgpo_cli.generation.prompts import Prompt

Seed = int | Sequence[int]
"""One for a whole call, or one for each prompt: then an answer does not depend on what else is asked in the call."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled answer.

    Attributes:
        text: the answer without special tokens.
        ids: the tokens sampled, the one that ended it included; empty where a server does not tell.
        truncated: whether the token budget ended it, not the policy.
        failed: why there is no answer (a server refused the prompt); None when there is one.
    """

    text: str
    ids: tuple[int, ...]
    truncated: bool
    failed: str | None = None


class Engine(Protocol):
    """Samples one answer for each prompt; equal prompts, settings and seeds give equal answers."""

    name: str

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: Seed,
        top_k: int | None = None,
    ) -> list[Completion]:
        """Answers in the order of the prompts; a prompt that stands k times gets k samples. temperature 0 is greedy.

        `top_k`: the most likely tokens to sample from, 0 is all; None is what the engine was made with.
        """
        ...
