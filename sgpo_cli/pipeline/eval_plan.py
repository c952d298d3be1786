"""What `sgpo eval --plan` shows: each bench's prompt as the model will see it, its BOS, and what ends an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import refuse_missing_template
from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.pipeline.eval_subject import EvalRequest, Subject, subject_of
from sgpo_cli.pipeline.preview import asked, template_of
from sgpo_cli.pipeline.special import special_in
from sgpo_cli.pipeline.tokens import tokenize
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.recipe.schema import Benchmark, Data, Recipe


def describe(request: EvalRequest) -> dict[str, Any]:
    """What would be done, without doing it. Raises `UserError` for a prompt that begins with two BOS tokens."""
    subject = None if request.responses else subject_of(request)
    benches = []
    for use in request.benchmarks:
        card = load_eval_card(use.card)
        told: dict[str, Any] = {
            "card": card.name,
            "source": use.file or card.file or card.hub or f"task {card.task}",
            "problems": min(use.limit or card.rows or 0, card.rows or use.limit or 0) or None,
            "k": use.k or card.k,
            "temperature": card.sampling.temperature if use.temperature is None else use.temperature,
            "top_p": card.sampling.top_p,
            "top_k": card.sampling.top_k,
            "max_new_tokens": use.max_new_tokens or card.sampling.max_new_tokens,
            "graded": card.grade.kind,
            "gated": card.gated,
            "prompt": card.prompt,
        }
        if subject is not None:
            told["rendered"] = _rendered(card, use, subject)
        benches.append(told)
    what = str(request.responses) if subject is None else subject.policy or str(request.model)
    engine = None if subject is None else request.engine
    return {"model": what, "engine": engine, "out": str(request.directory), "benchmarks": benches}


def _rendered(card: EvalCard, use: Benchmark, subject: Subject) -> dict[str, Any]:
    """The first problem as it is asked: `text`, `tokens`, `begins`, `bos`, `stop`, and a `note` on the unknown."""
    text, origin = _first(card, use, subject.recipe)
    if subject.policy is None:
        note = "the server renders this user message by its own chat template, and stops by its own rules"
        unknown: dict[str, Any] = {"tokens": None, "begins": None, "bos": None, "stop": None}
        return {"from": origin, "text": text, **unknown, "note": note}
    model = replace(subject.recipe.model, path=subject.policy)
    recipe = replace(subject.recipe, model=model, data=Data(source=subject.recipe.data.source))
    here = cached_file(subject.policy, "tokenizer_config.json") is not None
    if here and model.chat_template is None:
        refuse_missing_template(subject.policy, has_template=template_of(recipe) is not None, chat=model.chat)
    if here and model.chat and template_of(recipe) is None:
        raise UserError(
            "this tokenizer has no chat template, and --chat asks in chat messages",
            fix="--chat-template FILE, or --no-chat",
        )
    shown, special = asked(recipe, text)
    tokens = tokenize(recipe, shown, special=special)
    around = special_in(subject.policy)
    if around is not None and tokens is not None and (twice := around.twice(tokens.texts)) is not None:
        fix = "take it out of the card's prompt, or of the chat template"
        raise UserError(f"bench {card.name}: {twice.what}", fix=fix)
    return {
        "from": origin,
        "text": shown,
        "tokens": None if tokens is None else len(tokens),
        "begins": None if tokens is None else tokens.texts[:4],
        "bos": None if around is None or tokens is None else around.begins(tokens.texts),
        "stop": None if around is None else around.stops,
        "chat": not special,
        "note": None if tokens is not None else "tokenizer not on this machine: tokens are not counted",
    }


def _first(card: EvalCard, use: Benchmark, recipe: Recipe) -> tuple[str, str]:
    """The first problem in the card's words, and where it is from; a stand-in when it is on the hub."""
    from sgpo_cli.evaluation.bench import first_asked

    if card.task == "hops" and use.file is None:
        from sgpo_cli.data.hops import problems

        return card.prompt.replace("{problem}", problems(recipe.data.hops, 1, 0, "bench")[0].problem), "task hops"
    file = use.file or card.file
    if file is not None and Path(file).is_file():
        return first_asked(card, Path(file)), file
    return card.prompt.replace("{problem}", f"<a problem of {use.file or card.hub}>"), f"{card.hub}: not read"
