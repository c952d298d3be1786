"""Prompts: filled, rendered as text or chat, and never with two BOS."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer
from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import fill, prompt_ids, render
from sgpo_cli.generation.standin import standin_tokenizer
from sgpo_cli.recipe.schema import HopsTask

PLAIN = hops_tokenizer(HopsTask())
CHAT = standin_tokenizer(chat=True)


def test_fill_leaves_other_braces() -> None:
    assert fill(r"Solve {problem}. Answer in \boxed{}.", "{x}") == r"Solve {x}. Answer in \boxed{}."


def test_render_follows_the_tokenizer_unless_told() -> None:
    assert render("p", PLAIN) == "p"
    assert render("p", CHAT) == [{"role": "user", "content": "p"}]
    assert render("p", CHAT, chat=False) == "p"
    assert render("p", CHAT, system="s")[0] == {"role": "system", "content": "s"}
    with pytest.raises(UserError, match="no chat template"):
        render("p", PLAIN, chat=True)
    with pytest.raises(UserError, match="system prompt needs chat"):
        render("p", CHAT, chat=False, system="s")


def test_ids_of_text_and_chat() -> None:
    (ids,) = prompt_ids(["e1 r0"], PLAIN)
    assert ids == [PLAIN.bos_token_id, *PLAIN.convert_tokens_to_ids(["e1", "r0"])]
    text, chat = prompt_ids(["hé", [{"role": "user", "content": "hé"}]], CHAT)
    assert CHAT.decode(text) == "hé"
    assert CHAT.decode(chat) == CHAT.apply_chat_template(
        [{"role": "user", "content": "hé"}], add_generation_prompt=True, tokenize=False
    )


def test_two_bos_and_no_tokens_are_refused() -> None:
    with pytest.raises(UserError, match="two BOS"):
        prompt_ids(["<s> e1 r0"], PLAIN)
    with pytest.raises(UserError, match="no tokens"):
        prompt_ids([""], CHAT)
