"""A chat template rendered as transformers renders it, without transformers; and a tokenizer's special tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sgpo_cli.pipeline.architecture import cached_file


class TemplateRefused(Exception):
    """The template raised an error, or is broken; its words are the message."""


def render(
    template: str,
    messages: Sequence[Mapping[str, str]],
    *,
    special: Mapping[str, str],
    add_generation_prompt: bool = True,
) -> str:
    """The messages as text; `special` are the tokens that a template may spell by name, from `special_tokens`.

    Raises:
        TemplateRefused: the template does not take these messages.
    """
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    # The sandbox and its settings are those that transformers renders with: a template is somebody's code.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = refuse
    try:
        made = environment.from_string(template)
        return made.render(messages=messages, add_generation_prompt=add_generation_prompt, **special)
    except TemplateError as problem:
        raise TemplateRefused(str(problem)) from None


def special_tokens(path: str | None) -> dict[str, str]:
    """`bos_token`, `eos_token`, ... of a model on this machine, those that it has."""
    config = config_of(path, "tokenizer_config.json")
    told = {name: token_text(value) for name, value in config.items() if name.endswith("_token")}
    return {name: text for name, text in told.items() if text is not None}


def config_of(path: str | None, name: str) -> dict[str, Any]:
    """A JSON file of a model on this machine; empty where it is not."""
    file = cached_file(path, name) if path is not None else None
    found = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    return found if isinstance(found, dict) else {}


def token_text(told: Any) -> str | None:
    """A special token as configs write it: text, or an object with its text."""
    text = told.get("content") if isinstance(told, dict) else told
    return text if isinstance(text, str) else None
