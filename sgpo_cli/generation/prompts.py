"""What the policy is asked: one rendering of a problem, shared by warm-up, training, judging and evaluation.

A prompt is either plain text or chat messages, in the form TRL takes both. `prompt_ids` is the one way from a prompt
to ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]
Prompt = str | list[Message]


def fill(template: str, problem: str) -> str:
    """The prompt's text: `{problem}` in the template replaced, all other braces kept (they are LaTeX more often than
    not).
    """
    return template.replace("{problem}", problem)


def render(
    text: str, tokenizer: PreTrainedTokenizerBase, *, chat: bool | None = None, system: str | None = None
) -> Prompt:
    """`text` as TRL's prompt: chat messages when `chat`, plain text otherwise.

    Args:
        text: what `fill` made of the problem.
        chat: null is yes when the tokenizer has a chat template.
        system: system message put before it; chat only.

    Raises:
        UserError: chat without a chat template, or a system message without chat.
    """
    if chat is None:
        chat = tokenizer.chat_template is not None
    if chat and tokenizer.chat_template is None:
        raise UserError(
            "model.chat is true, but this tokenizer has no chat template",
            fix="set model.chat_template=FILE, or model.chat=false (sgpo eval: --chat-template FILE, or --no-chat)",
        )
    if not chat:
        if system is not None:
            raise UserError(
                "a system prompt needs chat messages",
                fix="set model.chat=true with a chat template, or put the text into data.prompt",
            )
        return text
    user: Message = {"role": "user", "content": text}
    return [user] if system is None else [{"role": "system", "content": system}, user]


_CHAT_NAMES = re.compile(r"(?:^|[-_.])(?:instruct|chat|it)(?:$|[-_.])", re.IGNORECASE)


def refuse_missing_template(name: str, *, has_template: bool, chat: bool | None) -> None:
    """`UserError` when a model that is named a chat model has no chat template and nobody said how to ask it."""
    last = name.rstrip("/").rpartition("/")[2]
    if not has_template and chat is None and _CHAT_NAMES.search(last):
        raise UserError(
            f"{last} is a chat model by its name, but its tokenizer has no chat template",
            fix="--chat-template FILE (a recipe: model.chat_template), or --no-chat (model.chat=false) for plain text",
        )


def prompt_ids(prompts: Sequence[Prompt], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Token ids of prompts, as TRL makes them: special tokens by the tokenizer for text, by the template for chat.

    Raises:
        UserError: a prompt that begins with two BOS tokens (its text or template spells one and the tokenizer adds
        one), or
            one that has no tokens.
    """
    ids = [_encode(prompt, tokenizer) for prompt in prompts]
    bos = tokenizer.bos_token_id
    for one, prompt in zip(ids, prompts, strict=True):
        if not one:
            raise UserError(f"this prompt has no tokens: {prompt!r}", fix="check data.prompt and the problem column")
        if bos is not None and one[:2] == [bos, bos]:
            raise UserError(
                f"this prompt begins with two BOS tokens ({tokenizer.bos_token}): the tokenizer adds one by itself",
                fix="take it out of data.prompt or of the chat template",
            )
    return ids


def _encode(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    made = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=True)
    return list(made["input_ids"])
