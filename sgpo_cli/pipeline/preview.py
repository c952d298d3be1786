"""The prompt as the policy will see it, from what is on this machine: a problem, the template, the special tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import Mistake, UserError
from sgpo_cli.generation.prompts import refuse_missing_template
from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.pipeline.special import special_of
from sgpo_cli.pipeline.template import TemplateRefused, render, special_tokens
from sgpo_cli.pipeline.tokens import tokenize
from sgpo_cli.recipe.schema import Recipe


def preview(recipe: Recipe, row: Row | None) -> dict[str, Any]:
    """How `row` is asked (a stand-in when None, see `first_row`).

    `from` (where the problem is from), the rendered `text`, its `tokens`, the first of them under `begins`, `bos`, the
    tokens that end an answer under `stop`, and a `note` for what could not be known.
    """
    problem = f"<a problem of {recipe.data.source}>" if row is None else row.problem
    text, special = asked(recipe, problem)
    notes: list[str] = []
    if recipe.model.path is not None and recipe.model.chat is not False and template_of(recipe) is None:
        notes.append(_without_template(recipe))
    tokens = tokenize(recipe, text, special=special)
    if tokens is None:
        notes.append("tokenizer not cached: tokens not counted")
    around = special_of(recipe)
    return {
        "from": origin(recipe, row),
        "text": text,
        "tokens": None if tokens is None else len(tokens),
        "begins": None if tokens is None else tokens.texts[:4],
        "bos": None if tokens is None or around is None else around.begins(tokens.texts),
        "stop": None if around is None else around.stops,
        "note": "; ".join(notes) or None,
    }


def begins_twice(recipe: Recipe, row: Row | None) -> Mistake | None:
    """A warning when the prompt made of `row` begins with two BOS tokens, as far as the tokenizer is here."""
    around = special_of(recipe)
    text, special = asked(recipe, "" if row is None else row.problem)
    tokens = tokenize(recipe, text, special=special)
    return None if around is None or tokens is None else around.twice(tokens.texts)


def asked(recipe: Recipe, problem: str) -> tuple[str, bool]:
    """A problem as the policy is asked it, and whether its tokenizer adds special tokens to that: a chat template
    spells its own. Without the template where that is not on this machine."""
    text = recipe.data.prompt.replace("{problem}", problem)
    template = template_of(recipe)
    wants_chat = recipe.model.chat if recipe.model.chat is not None else template is not None
    if wants_chat and template is not None:
        text = _render(template, recipe, text)
    return text, not wants_chat


def first_row(recipe: Recipe) -> Row | None:
    """The first problem of the recipe, when its data is local and needs no heavy library to be read; else None.

    Raises `UserError` when that row cannot be used: a broken line, a column that is not there.
    """
    data = recipe.data
    if data.source == "hops":
        from sgpo_cli.data.hops import problems

        return problems(data.hops, 1, recipe.seed, "train")[0]
    path = Path(data.source)
    if not path.is_file():
        return None
    from sgpo_cli.data.rows import load_rows

    return load_rows(path, columns=data.columns, limit=1)[0]


def origin(recipe: Recipe, row: Row | None) -> str:
    """Where the row is from, in words: file and line, as errors name it."""
    source = recipe.data.source
    if row is None:
        return f"{source}: not read"
    return "task hops" if source == "hops" else row.place


def template_of(recipe: Recipe) -> str | None:
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


def _without_template(recipe: Recipe) -> str:
    """Why a prompt is shown without a chat template: there is none, or nobody knows here."""
    model = recipe.model
    assert model.path is not None
    if not Path(model.path).is_dir() and cached_file(model.path, "tokenizer_config.json") is None:
        return "chat template not cached: the problem is shown without it"
    try:
        refuse_missing_template(model.path, has_template=False, chat=model.chat)
    except UserError as problem:
        return problem.what
    if model.chat:
        return "model.chat is true, and this tokenizer has no chat template"
    return "this tokenizer has no chat template: problems are asked as plain text"


def _render(template: str, recipe: Recipe, text: str) -> str:
    system = recipe.model.system_prompt
    messages = [{"role": "user", "content": text}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    try:
        return render(template, messages, special=special_tokens(recipe.model.path))
    except TemplateRefused as problem:
        return f"(the chat template refuses these messages: {problem})"
