"""The interface behind which answers are sampled; engines stand in files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sgpo_cli.generation.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled answer.

    Attributes:
        text: the answer without special tokens.
        ids: the tokens sampled, the one that ended it included.
        truncated: whether the token budget ended it, not the policy.
    """

    text: str
    ids: tuple[int, ...]
    truncated: bool


class Engine(Protocol):
    """Samples one answer for each prompt; equal prompts, settings and seed give equal answers."""

    name: str

    def generate(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, temperature: float, top_p: float, seed: int
    ) -> list[Completion]:
        """Answers in the order of the prompts; a prompt that stands k times gets k samples. temperature 0 is greedy."""
        ...
