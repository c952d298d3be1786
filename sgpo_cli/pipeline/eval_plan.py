"""What `sgpo eval --plan` shows: each bench's prompt as the model will see it, its BOS, and what ends an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.bench import Bench
from sgpo_cli.evaluation.responses import read_responses
from sgpo_cli.evaluation.run import refuse_greedy
from sgpo_cli.generation.prompts import refuse_missing_template
from sgpo_cli.pipeline.architecture import cached_file
from sgpo_cli.pipeline.eval_subject import EvalRequest, Subject, subject_of
from sgpo_cli.pipeline.evaluation import check_request
from sgpo_cli.pipeline.preview import asked, template_of
from sgpo_cli.pipeline.special import special_in
from sgpo_cli.pipeline.tokens import tokenize
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.recipe.schema import Benchmark, Data, Recipe
from sgpo_cli.stages.benches import open_use


def describe(request: EvalRequest, *, restart: bool = False) -> dict[str, Any]:
    """What would be done, without doing it; local files are read as the run reads them, the hub is not asked.

    Raises `UserError` for whatever a run would find wrong there, and for a prompt that begins with two BOS tokens.
    """
    check_request(request, restart=restart)
    subject = None if request.responses else subject_of(request)
    task = Recipe(name="eval").data.hops if subject is None else subject.recipe.data.hops
    benches = []
    for use in request.benchmarks:
        card = load_eval_card(use.card)
        bench = open_use(use, task=task) if use.file or card.file or card.task else None
        told: dict[str, Any] = {
            "card": card.name,
            "source": use.file or card.file or card.hub or f"task {card.task}",
            "problems": _problems(use, card) if bench is None else len(bench.rows),
            "graded": card.grade.kind,
            "gated": card.gated,
        }
        if subject is None:
            told["responses"] = _responses(request, bench)
        else:
            told |= _sampling(use, card)
            told["rendered"] = _rendered(card, told["source"], bench, subject)
        benches.append(told)
    what = str(request.responses) if subject is None else subject.policy or str(request.model)
    engine = None if subject is None else request.engine
    return {"model": what, "engine": engine, "out": str(request.directory), "benchmarks": benches}


def _problems(use: Benchmark, card: EvalCard) -> int | None:
    """How many problems of a bench that was not read, by its card."""
    return min(use.limit or card.rows or 0, card.rows or use.limit or 0) or None


def _sampling(use: Benchmark, card: EvalCard) -> dict[str, Any]:
    k = use.k or card.k
    temperature = card.sampling.temperature if use.temperature is None else use.temperature
    refuse_greedy(card.name, k, temperature)
    return {
        "k": k,
        "temperature": temperature,
        "top_p": card.sampling.top_p,
        "top_k": card.sampling.top_k,
        "max_new_tokens": use.max_new_tokens or card.sampling.max_new_tokens,
        "prompt": card.prompt,
    }


def _responses(request: EvalRequest, bench: Bench | None) -> dict[str, Any]:
    """`rows` of the file, and how many problems are `answered` (None where the bench's were not read)."""
    assert request.responses is not None
    if bench is None:
        return {"rows": sum(1 for _ in read_file(request.responses)), "answered": None}
    found = read_responses(bench, request.responses, field=request.response_field)
    return {"rows": len(found), "answered": len({one.row.id for one in found})}


def _rendered(card: EvalCard, source: str, bench: Bench | None, subject: Subject) -> dict[str, Any]:
    """The first problem as it is asked: `text`, `tokens`, `begins`, `bos`, `stop`, and a `note` on the unknown."""
    if bench is not None:
        text, origin = bench.ask(bench.rows[0]), source
    else:
        text, origin = card.prompt.replace("{problem}", f"<a problem of {card.hub}>"), f"{card.hub}: not read"
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
