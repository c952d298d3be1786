"""The prompt as the policy will see it, from what is on this machine: a problem, the template, the special tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.recipe.schema import Recipe


def preview(recipe: Recipe) -> dict[str, Any]:
    """`problem` (and where it is from), the rendered `text`, its `tokens`, and a `note` for what could not be known."""
    problem, origin = _problem(recipe)
    text = recipe.data.prompt.replace("{problem}", problem)
    notes: list[str] = []
    if recipe.data.source == "hops" and recipe.model.path is None:
        tokens = ["<bos>", *text.split()]
        return {"from": origin, "text": text, "tokens": len(tokens), "begins": tokens[:4], "note": None}
    template = _template(recipe)
    wants_chat = recipe.model.chat if recipe.model.chat is not None else template is not None
    if wants_chat and template is not None:
        text = _render(template, recipe, text)
    elif recipe.model.path is not None and template is None and recipe.model.chat is not False:
        notes.append("chat template not cached: the problem is shown without it")
    count, begins = _tokens(recipe, text, chat=wants_chat)
    if count is None:
        notes.append("tokenizer not cached: tokens not counted")
    return {"from": origin, "text": text, "tokens": count, "begins": begins, "note": "; ".join(notes) or None}


def _problem(recipe: Recipe) -> tuple[str, str]:
    """A real problem of the recipe when its data is local, else a stand-in that says so."""
    data = recipe.data
    if data.source == "hops":
        from sgpo_cli.data.hops import problems

        return problems(data.hops, 1, recipe.seed, "train")[0].problem, "task hops"
    path = Path(data.source)
    if path.is_file():
        from sgpo_cli.data.rows import load_rows

        return load_rows(path, columns=data.columns, limit=1)[0].problem, f"{path}, row 1"
    return f"<a problem of {data.source}>", f"{data.source}: not read"


def _template(recipe: Recipe) -> str | None:
    """The chat template's text: the recipe's file, or the tokenizer's own when it is on this machine."""
    model = recipe.model
    if model.chat_template is not None:
        return Path(model.chat_template).read_text(encoding="utf-8")
    if model.path is None:
        return None
    file = cached_file(model.path, "chat_template.jinja")
    if file is not None:
        return file.read_text(encoding="utf-8")
    config = cached_file(model.path, "tokenizer_config.json")
    found = json.loads(config.read_text(encoding="utf-8")).get("chat_template") if config else None
    return found if isinstance(found, str) else None


def _render(template: str, recipe: Recipe, text: str) -> str:
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    system = recipe.model.system_prompt
    messages = [{"role": "user", "content": text}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    # The sandbox and its settings are those that transformers renders with: a template is somebody's code.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = refuse
    try:
        return environment.from_string(template).render(messages=messages, add_generation_prompt=True)
    except TemplateError as problem:
        return f"(the chat template refuses these messages: {problem})"


def _tokens(recipe: Recipe, text: str, *, chat: bool) -> tuple[int | None, list[str] | None]:
    """How many tokens the text has, and the first of them; a template spells its own special tokens."""
    file = cached_file(recipe.model.path, "tokenizer.json") if recipe.model.path else None
    if file is None:
        return None, None
    from tokenizers import Tokenizer

    encoded = Tokenizer.from_file(str(file)).encode(text, add_special_tokens=not chat)
    return len(encoded.ids), encoded.tokens[:4]
