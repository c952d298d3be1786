"""A model's tokenizer: chat template, BOS, and whether answers end where the template says that a turn ends.

What is on this machine is read (the folder, or the hub's cache), without any heavy library.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import refuse_missing_template
from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.pipeline.preview import template_of
from sgpo_cli.pipeline.template import TemplateRefused, config_of, render, special_tokens
from sgpo_cli.recipe.paths import hub_or_local
from sgpo_cli.recipe.schema import Recipe

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ASKED = "What is 1 + 1?"
_ANSWER = "It is 2."


def model(recipe: Recipe) -> list[Finding]:
    """Findings on the tokenizer of `recipe.model.path`; a model from scratch has one of ours, and none are made."""
    path = recipe.model.path
    if path is None:
        return []
    file = cached_file(path, "tokenizer.json")
    if file is None:
        return [_no_tokenizer(path)]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    template = template_of(recipe) if recipe.model.chat is not False else None
    if template is None:
        return [_no_template(recipe, path), *_plain_bos(recipe, path, tokenizer), _stops(path, tokenizer, None)]
    try:
        prompt = render(template, _messages(recipe), special=special_tokens(path))
    except TemplateRefused as problem:
        fix = (
            "write model.system_prompt: null where that is what it refuses, or give another: model.chat_template: FILE"
        )
        return [Finding("chat template", "error", f"it refuses these messages: {problem}", fix)]
    return [
        Finding("chat template", "ok", f"{path} has one; a prompt ends with {prompt[-24:]!r}"),
        *_chat_bos(path, prompt, tokenizer),
        _stops(path, tokenizer, _turn_end(template, recipe, tokenizer)),
    ]


def _no_tokenizer(path: str) -> Finding:
    try:
        local = Path(hub_or_local(path, Path.cwd()))
    except UserError as problem:
        return Finding("model", "error", problem.what, problem.fix or "name a folder that exists, or a hub id")
    if local.is_dir():
        fix = f"save it with its fast tokenizer: AutoTokenizer.from_pretrained({path!r}).save_pretrained({path!r})"
        return Finding("model", "warning", f"{path} holds no tokenizer.json: its template is not checked", fix)
    fix = f"hf download {path}   (once, where there is a network)"
    return Finding("model", "warning", f"{path} is not on this machine: its template is not checked", fix)


def _messages(recipe: Recipe) -> list[dict[str, str]]:
    system = recipe.model.system_prompt
    first = [{"role": "system", "content": system}] if system is not None else []
    return [*first, {"role": "user", "content": recipe.data.prompt.replace("{problem}", _ASKED)}]


def _no_template(recipe: Recipe, path: str) -> Finding:
    try:
        refuse_missing_template(path, has_template=False, chat=recipe.model.chat)
    except UserError as problem:
        return Finding("chat template", "error", problem.what, problem.fix)
    if recipe.model.chat:
        fix = "write model.chat_template: FILE, or model.chat: false"
        return Finding("chat template", "error", "model.chat is true, and this tokenizer has no template", fix)
    return Finding("chat template", "ok", "none is used: problems are asked as plain text")


def _plain_bos(recipe: Recipe, path: str, tokenizer: Tokenizer) -> list[Finding]:
    bos = special_tokens(path).get("bos_token")
    asked = recipe.data.prompt.replace("{problem}", _ASKED)
    if bos is None or tokenizer.encode(asked).tokens[:2] != [bos, bos]:
        return []
    what = f"a prompt begins with two {bos}: data.prompt spells one, and the tokenizer adds one"
    return [Finding("BOS", "error", what, "take it out of data.prompt")]


def _chat_bos(path: str, prompt: str, tokenizer: Tokenizer) -> list[Finding]:
    """The template spells BOS, the tokenizer adds none to it here; who tokenizes the rendered text again gets two."""
    bos = special_tokens(path).get("bos_token")
    if bos is None:
        return []
    if tokenizer.encode(prompt, add_special_tokens=False).tokens[:2] == [bos, bos]:
        what = f"a prompt begins with two {bos}: the template spells it twice"
        return [Finding("BOS", "error", what, "give a template that spells it once: model.chat_template: FILE")]
    begins, added = prompt.startswith(bos), tokenizer.encode(_ASKED).tokens[:1] == [bos]
    if added and not begins:
        what = f"the tokenizer begins text with {bos}, and chat prompts begin without: the template does not spell it"
        fix = "some models answer worse so: compare with the model's page, or give model.chat_template: FILE"
        return [Finding("BOS", "warning", what, fix)]
    if added:
        return [Finding("BOS", "ok", f"{bos} once; a server that tokenizes the rendered text again would add another")]
    return [Finding("BOS", "ok", f"{bos} once" if begins else f"chat prompts begin without {bos}, as text does")]


def _turn_end(template: str, recipe: Recipe, tokenizer: Tokenizer) -> str | None:
    """The first special token that the template puts behind an answer; None where it puts none."""
    messages = [*_messages(recipe), {"role": "assistant", "content": _ANSWER}]
    try:
        path = recipe.model.path
        whole = render(template, messages, special=special_tokens(path), add_generation_prompt=False)
    except TemplateRefused:
        return None
    behind = whole.rpartition(_ANSWER)[2].strip()
    ids = tokenizer.encode(behind, add_special_tokens=False).ids
    special = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    first = next((index for index in ids if index in special), None)
    return tokenizer.id_to_token(first) if first is not None else None


def _stops(path: str, tokenizer: Tokenizer, turn_end: str | None) -> Finding:
    """What ends an answer, against what the template ends one with: a model that is never stopped runs to the limit."""
    eos = special_tokens(path).get("eos_token")
    named = config_of(path, "generation_config.json").get("eos_token_id")
    ids = [index for index in (named if isinstance(named, list) else [named]) if isinstance(index, int)]
    stops = {eos, *(tokenizer.id_to_token(index) for index in ids)} - {None}
    told = ", ".join(sorted(str(stop) for stop in stops)) or "nothing"
    if eos is None:
        return Finding("stop tokens", "error", "this tokenizer has no EOS token: no answer could end", "set eos_token")
    if turn_end is not None and turn_end not in stops:
        what = f"the template ends an answer with {turn_end}, and generation ends it at {told}"
        fix = f"put the id of {turn_end} into eos_token_id of generation_config.json, or make it the tokenizer's EOS"
        return Finding("stop tokens", "warning", f"{what}: an answer may run on to the limit", fix)
    if ids and eos not in {tokenizer.id_to_token(index) for index in ids}:
        fix = "both are taken; other tools may go by one of them"
        return Finding("stop tokens", "warning", f"EOS {eos} is none of generation_config.json's: {told}", fix)
    return Finding("stop tokens", "ok", f"an answer ends at {told}")
