"""The token ids of a problem with its steps, and the position at which each step's score is read.

Ids are put together end to end: a step's ids, then the separator's, then the next step's. So a position is known, never
searched for, and nothing that a step says can move it. A step that spells the separator or any special token is cut
inside that spelling and so read as plain text: a policy cannot close its own turn or open a step of its own making.

Text without such spellings gets the very ids that the whole text would have got in one piece, wherever the tokenizer
does not join characters across a separator; the tests hold it to that for byte-level and for SentencePiece tokenizers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.judging.verdict import Solution

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sgpo_cli.recipe.judgecards import ProcessRewardCard

SEPARATORS = {"separator": "<extra_0>", "plus_minus": "ки", "token_classification": "\n"}
"""What each style puts behind a step when the card does not say: Qwen2.5-Math-PRM, Math-Shepherd, TRL."""

NOWHERE = -1
"""The position of an empty step without a separator: there is no token to read a score at."""

_PROBLEM, _STEPS = "PROBLEM7d1f", "STEPS7d1f"  # stand in for the texts while the chat template is rendered
_STEP_MARK = re.compile(r"\s*(?:\W{0,4})step\s*\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of one response, and for each step the index of the token at which its score is read."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]


class Plain:
    """Encodes text in which no special token may come up unless we put it there."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, forbidden: Sequence[str] = ()) -> None:
        """`forbidden`: further spellings that must not be read as one token."""
        self._tokenizer = tokenizer
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        # One character cannot be cut; longest first, so that the cut falls into the whole of what would be matched.
        spellings = sorted((text for text in special.union(forbidden) if len(text) > 1), key=lambda text: -len(text))
        self._forbidden = re.compile("|".join(map(re.escape, spellings))) if spellings else None

    def encode(self, text: str) -> list[int]:
        """Ids of text that is ours: special tokens in it are meant."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return ids

    def mixed(self, *texts: str) -> list[int]:
        """Ids of the texts joined; they are by turns ours and of others, ours first. Encoded in one piece where the
        others' hold no forbidden spelling."""
        pieces = [""]
        for at, text in enumerate(texts):
            first, *rest = self._pieces(text) if at % 2 else [text]
            pieces[-1] += first
            pieces += rest
        return [token for piece in pieces for token in self.encode(piece)]

    def following(self, anchor: str, text: str) -> list[int]:
        """Ids of `text` as they are when it follows `anchor`, whose own ids are left out.

        Where the tokenizer joins the two, there is no such thing: then the ids of `text` alone.
        """
        head = self.encode(anchor)
        ids = self.mixed(anchor, text)
        return ids[len(head) :] if ids[: len(head)] == head else self.mixed("", text)

    def _pieces(self, text: str) -> list[str]:
        if self._forbidden is None:
            return [text]
        pieces, start, look = [], 0, 0
        while match := self._forbidden.search(text, look):
            cut = match.start() + 1
            pieces.append(text[start:cut])
            start = look = cut
        return [*pieces, text[start:]]


class ChatWriter:
    """Style `separator`: the chat template around the problem, and around steps that a special token ends each.

    What the template puts behind the last step is left out: a decoder's score cannot depend on what comes after it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, card: ProcessRewardCard) -> None:
        self._separator = card.separator or SEPARATORS["separator"]
        self._plain = Plain(tokenizer, [self._separator])
        self._numbered = card.number_steps
        ids = self._plain.encode(self._separator)
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            raise UserError(
                f"the tokenizer does not know the separator {self._separator!r} as one token",
                where=card.model,
                fix="name a process reward model of this style, or its own separator (`separator:` of the judge card)",
            )
        self._tag = ids[0]
        self._head, self._middle = _template_parts(tokenizer, card)

    def row(self, solution: Solution) -> Row:
        ids: list[int] = []
        positions: list[int] = []
        for number, step in enumerate(_numbered(solution.steps, self._numbered)):
            if number == 0:
                ids += self._plain.mixed(self._head, solution.problem, self._middle, step)
            else:
                ids += self._plain.following(self._separator, step)
            positions.append(len(ids))
            ids.append(self._tag)
        return Row(tuple(ids), tuple(positions))


class TagWriter:
    """Style `plus_minus`, as Math-Shepherd has it: `problem step1 ки\\nstep2 ки`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, card: ProcessRewardCard) -> None:
        tag = card.separator or SEPARATORS["plus_minus"]
        self._separator = tag if tag[:1].isspace() else f" {tag}"
        self._plain = Plain(tokenizer, [tag.strip() or tag])
        self._numbered = card.number_steps
        self._start = _start_ids(tokenizer)
        self._tag = self._plain.encode(f"x{self._separator}")[len(self._plain.encode("x")) :]
        if not self._tag or tokenizer.unk_token_id in self._tag:
            raise UserError(f"the tokenizer does not know the separator {tag!r}", where=card.model)

    def row(self, solution: Solution) -> Row:
        ids = list(self._start)
        positions: list[int] = []
        for number, step in enumerate(_numbered(solution.steps, self._numbered)):
            if number == 0:
                ids += self._plain.mixed("", f"{solution.problem} {step}")
            else:
                ids += self._plain.following(self._separator, f"\n{step}")
            ids += self._tag
            positions.append(len(ids) - 1)
        return Row(tuple(ids), tuple(positions))


class StepwiseWriter:
    """Style `token_classification`, as TRL trains it: problem and steps encoded each by itself, a separator's ids
    behind every step. Line breaks inside a step stay as they are: so they were in training."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, card: ProcessRewardCard) -> None:
        separator = SEPARATORS["token_classification"] if card.separator is None else card.separator
        self._plain = Plain(tokenizer)
        self._numbered = card.number_steps
        self._start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        self._tag = self._plain.encode(separator)

    def row(self, solution: Solution) -> Row:
        ids = [*self._start, *self._plain.mixed("", solution.problem)]
        positions: list[int] = []
        for step in _numbered(solution.steps, self._numbered):
            piece = [*self._plain.mixed("", step), *self._tag]
            ids += piece
            positions.append(len(ids) - 1 if piece else NOWHERE)
        return Row(tuple(ids), tuple(positions))


Writer = ChatWriter | TagWriter | StepwiseWriter
WRITERS: dict[str, type[Writer]] = {
    "separator": ChatWriter,
    "plus_minus": TagWriter,
    "token_classification": StepwiseWriter,
}


def _numbered(steps: Sequence[str], wanted: bool) -> Sequence[str]:
    """The steps, with "Step k: " before those that do not say so themselves where it is wanted."""
    if not wanted:
        return steps
    return [step if _STEP_MARK.match(step) else f"Step {k}: {step}" for k, step in enumerate(steps, 1)]


def _start_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before a text by itself (BOS, mostly)."""
    bare, whole = tokenizer.encode("x", add_special_tokens=False), tokenizer.encode("x")
    for at in range(len(whole) - len(bare) + 1):
        if whole[at : at + len(bare)] == bare:
            return list(whole[:at])
    return []


def _template_parts(tokenizer: PreTrainedTokenizerBase, card: ProcessRewardCard) -> tuple[str, str]:
    """What the chat template puts before the problem, and between the problem and the first step."""
    if not tokenizer.chat_template:
        raise UserError(
            "this tokenizer has no chat template, and style separator writes the problem and the steps into one",
            where=card.model,
            fix="use the tokenizer that came with the model, or another style (`style:` of the judge card)",
        )
    messages = [{"role": "user", "content": _PROBLEM}, {"role": "assistant", "content": _STEPS}]
    if card.system is not None:
        messages.insert(0, {"role": "system", "content": card.system})
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False))
    except Exception as problem:  # jinja raises whatever a template's author thought of
        raise UserError(
            f"the chat template cannot be rendered: {problem}",
            where=card.model,
            fix="`system: null` in the judge card leaves the system message out",
        ) from problem
    head, found, rest = text.partition(_PROBLEM)
    middle, found_too, _ = rest.partition(_STEPS)
    if not found or not found_too or text.count(_PROBLEM) > 1 or text.count(_STEPS) > 1:
        raise UserError("the chat template does not show the problem and the steps once each", where=card.model)
    return head, middle
