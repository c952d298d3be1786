"""Ground-truth traces as token ids: made once, cut at token borders, never decoded and encoded again.

A trace is encoded behind its prompt, so that prompt + prefix are the ids that prompt + whole trace would give. Where
the tokenizer joins the two (the prompt's last token would be another one), the prompt's ids are what the policy sees
and the trace is encoded by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import Prompt, prompt_ids
from sgpo_cli.judging.split import split_spans
from sgpo_cli.methods.guidance.cut import Cut, cut
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.verify.giveaway import withheld

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Start:
    """What one rollout starts from."""

    guided: bool = False
    """It stands in a guided place of its group, whatever it was given."""
    ids: tuple[int, ...] = ()
    """The injected tokens."""
    cut: Cut | None = None
    """Units given, and why fewer than asked; None in a place that is not guided."""
    reach: int | None = None
    """Steps of the trace that guidance may give; None in a place that is not guided."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One row's trace: `ids`, and for each the character of the text where it ends."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    steps: tuple[int, ...]
    """Character where each step ends."""
    kept_steps: int
    """Steps at its end that are never given."""
    hidden: int
    """Character from which it is never given when it is cut at tokens."""

    def within(self, end: int) -> int:
        """How many tokens lie wholly in the first `end` characters."""
        return bisect_right(self.ends, end)

    @property
    def reach(self) -> int:
        return max(len(self.steps) - self.kept_steps, 0)

    def start(self, length: float, guidance: Guided, budget: int) -> Start:
        """The prefix for a length, in a rollout of `budget` tokens of which at least one is to be sampled."""
        room = None
        if guidance.unit == "steps":
            if guidance.budget == "shared":
                room = sum(self.within(end) < budget for end in self.steps)
            made = cut(length, len(self.steps), reserve=self.kept_steps, room=room)
            tokens = self.within(self.steps[made.units - 1]) if made.units else 0
            hidden = self.steps[-self.kept_steps - 1] if self.reach else 0
        else:
            may = self.within(self.hidden)
            if guidance.budget == "shared":
                room = budget - 1
            made = cut(length, len(self.ids), reserve=max(1, len(self.ids) - may), room=room)
            tokens, hidden = made.units, self.hidden
        ids = self.ids[:tokens]
        assert not ids or self.ends[tokens - 1] <= hidden, "a prefix reaches into what gives the answer away"
        return Start(True, ids, made, self.reach)


def read_trace(
    row: str, prompt: Prompt, solution: str | None, answer: str | None, tokenizer: PreTrainedTokenizerBase
) -> Trace:
    """The trace of a row (`row` is its id); one without a solution has no tokens and no steps.

    `answer` is what the row's answer column holds: the answer, or a whole solution that ends in it.

    Raises:
        UserError: the solution spells a token that ends or pads a text, which a prefix cannot hold.
    """
    text = solution or ""
    spans = split_spans(text)
    if not spans:
        return Trace((), (), (), 1, 0)
    ids, ends = _encode(prompt, text, tokenizer)
    forbidden = {tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id}
    found = next((token for token in ids if token in forbidden), None)
    if found is not None:
        raise UserError(
            f"the solution of row {row!r} holds the special token {tokenizer.decode([found])!r}",
            fix="guidance injects solutions token by token: take it out of the solution",
        )
    never = withheld(text, spans, answer)
    return Trace(
        ids=tuple(ids),
        ends=tuple(accumulate(ends, max)),
        steps=tuple(end for _, end in spans),
        kept_steps=never.steps,
        hidden=never.start,
    )


def _encode(prompt: Prompt, text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The trace's ids, and the character of `text` where each ends."""
    if not tokenizer.is_fast:
        raise UserError(
            "guidance needs a tokenizer that tells where in the text its tokens lie, and this one does not",
            where="model.path",
            fix="use a model with a tokenizer.json, or write guidance: {kind: none}",
        )
    before, special = _text(prompt, tokenizer)
    asked = prompt_ids([prompt], tokenizer)[0]
    both = tokenizer(before + text, add_special_tokens=special, return_offsets_mapping=True)
    ids, ends = list(both["input_ids"]), [end - len(before) for _, end in both["offset_mapping"]]
    n = len(asked)
    if ids[:n] == asked and len(ids) > n and all(end > 0 for end in ends[n:]):
        return ids[n:], ends[n:]
    alone = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return list(alone["input_ids"]), [end for _, end in alone["offset_mapping"]]


def _text(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> tuple[str, bool]:
    """A prompt as text, and whether the tokenizer adds special tokens to it (a chat template spells its own)."""
    if isinstance(prompt, str):
        return prompt, True
    rendered = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    return str(rendered), False


def given_steps(prefix_end: int, step_ends: Sequence[int], response: str) -> int:
    """How many whole steps of a response lie in its injected part; blanks at a step's end need not."""
    count = 0
    begun = 0
    for end in step_ends:
        if len(response[begun:end].rstrip()) + begun > prefix_end:
            break
        count, begun = count + 1, end
    return count
