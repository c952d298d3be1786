"""What begins a prompt and what ends an answer, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sgpo_cli.display import words


def special_tokens(prompt: Mapping[str, Any]) -> list[str]:
    """The first tokens, whether BOS is one of them, and the tokens that end an answer; nothing of what is unknown."""
    lines = []
    if prompt.get("begins"):
        lines.append("begins: " + " ".join(repr(words.visible(token)) for token in prompt["begins"]))
    bos = prompt.get("bos")
    if bos is not None:
        there = "" if bos["token"] is None else (", at the start" if bos["at_start"] else ", not in the prompt")
        lines.append(f"BOS: {bos['token'] or 'none in this tokenizer'}{there}")
    if prompt.get("stop"):
        lines.append("stops at: " + ", ".join(f"{one['id']} {one['token']}" for one in prompt["stop"]))
    return lines
