"""What judging can cost: calls, tokens and money, from the judge's card and the recipe's sizes."""

from __future__ import annotations

import os
from typing import Any

from sgpo_cli.errors import Mistake, UserError
from sgpo_cli.pipeline.architecture import on_accelerator, shape_of
from sgpo_cli.recipe.address import STANDIN
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import JudgeCard, LanguageModelCard, ProcessRewardCard, asked_by
from sgpo_cli.recipe.kinds import RescueStepwise
from sgpo_cli.recipe.schema import Model, Recipe

_CHARACTERS = 4.0
"""Of English and mathematics in a token, roughly."""


def judge_calls(recipe: Recipe, kind: str) -> int:
    """Verdicts at most: every rollout of every step all wrong."""
    if recipe.judge is None:
        return 0
    if kind == "judge":
        return recipe.judge.measure
    rollouts = recipe.trainer.steps * recipe.trainer.prompts_per_step * recipe.trainer.group_size
    asked = recipe.rescue.kind != "none" or recipe.guidance.kind == "judged"
    return rollouts if kind == "train" and asked else 0


def measuring_calls(recipe: Recipe, kind: str) -> int:
    """Of these, verdicts at most that only measure the judge: the mixed groups of `rescue.trust.budget`."""
    rescue, trainer = recipe.rescue, recipe.trainer
    if kind != "train" or not isinstance(rescue, RescueStepwise) or rescue.trust is None or recipe.judge is None:
        return 0
    return trainer.steps * min(rescue.trust.budget, trainer.prompts_per_step) * trainer.group_size


def judge_cost(recipe: Recipe, kind: str, *, problem_tokens: int) -> dict[str, Any]:
    """`judge_calls`, of which `judge_measuring` measure the judge (`rescue.trust`) where that is done, and for judges
    behind a server `judge_tokens {input, output}` and `judge_cost {amount, currency}`.

    Upper bounds but for retries and repair questions: every response and every answer at its longest, nothing cached.
    """
    verdicts = judge_calls(recipe, kind)
    cards = language_models(recipe)
    measuring = measuring_calls(recipe, kind)
    told = {"judge_measuring": measuring * max(1, len(cards))} if measuring else {}
    if not verdicts or not cards:
        return {"judge_calls": verdicts, **told}
    tokens = {"input": 0, "output": 0}
    amounts: dict[str, float] = {}
    for card in cards:
        used = {"input": verdicts * _input_tokens(card, recipe, problem_tokens), "output": verdicts * card.max_tokens}
        tokens = {name: tokens[name] + used[name] for name in tokens}
        if card.price is not None:
            money = (used["input"] * card.price.input + used["output"] * card.price.output) / 1e6
            amounts[card.price.currency] = amounts.get(card.price.currency, 0.0) + money
    priced = all(card.price is not None for card in cards) and len(amounts) == 1
    cost = {"amount": round(next(iter(amounts.values())), 2), "currency": next(iter(amounts))} if priced else None
    return {"judge_calls": verdicts * len(cards), **told, "judge_tokens": tokens, "judge_cost": cost}


def _input_tokens(card: LanguageModelCard, recipe: Recipe, problem_tokens: int) -> int:
    words = len(card.prompt.system or "") + len(card.prompt.user) + len(card.prompt.reference)
    shown = card.reference != "never" and recipe.data.columns.solution is not None
    reference = recipe.trainer.max_completion_length // 2 if shown else 0
    return int(words / _CHARACTERS) + problem_tokens + reference + recipe.trainer.max_completion_length


def language_models(recipe: Recipe) -> list[LanguageModelCard]:
    """The language models that the recipe's judge asks: itself, or the members of a vote."""
    cards = members(recipe.judge.card) if recipe.judge is not None else []
    return [card for card in cards if isinstance(card, LanguageModelCard)]


def members(name: str) -> list[JudgeCard]:
    """The judge card of that name, or those that it asks in turn (a vote's members, a spoilt judge)."""
    card = load_judge_card(name)
    asked = asked_by(card)
    return [found for member in asked for found in members(member)] if asked else [card]


def judge_memory_gib(recipe: Recipe) -> float:
    """What the judge's own models take beside the policy; those of unknown size count nothing."""
    cards = members(recipe.judge.card) if recipe.judge is not None else []
    models = [card for card in cards if isinstance(card, ProcessRewardCard)]
    if not models:
        return 0.0
    from sgpo_cli.judging.process_reward.size import memory_gib

    shapes = [shape_of(Model(path=card.model, revision=card.revision)) for card in models]
    known = [memory_gib(card, shape, accelerator=on_accelerator()) for card, shape in zip(models, shapes, strict=True)]
    return sum(gib for gib in known if gib is not None)


def missing_keys(recipe: Recipe) -> list[str]:
    """The environment variables that the judge's servers need and that are not set."""
    if recipe.judge is not None and recipe.judge.endpoints == [STANDIN]:
        return []
    names = [card.key_env for card in language_models(recipe) if card.key_env is not None]
    return [name for name in dict.fromkeys(names) if not os.environ.get(name)]


def check_keys(recipe: Recipe) -> None:
    """`UserError` when the judge's key is not there: found before the first stage, not after the warm-up."""
    missing = missing_keys(recipe)
    if missing:
        raise UserError(
            f"the judge needs a key, and {' and '.join(missing)} is not set",
            where="judge.card",
            fix=f"export {missing[0]}=... in this shell; it is never written anywhere",
        )


def judge_warnings(recipe: Recipe, *, online: bool) -> list[Mistake]:
    """What would stop the judge stage though the recipe is sound; `online` asks the judge's servers too."""
    missing = missing_keys(recipe)
    if missing:
        what = f"the judge needs a key: {' and '.join(missing)} is not set here"
        return [Mistake(what, where="judge.card", fix=f"export {missing[0]}=... before sgpo train")]
    if not online or recipe.judge is None or not language_models(recipe):
        return []
    from sgpo_cli.judging.usage import Remote
    from sgpo_cli.stages.judging import close_judge, open_judge

    judge = open_judge(recipe.judge.card, task=recipe.data.hops, endpoints=recipe.judge.endpoints)
    try:
        wrong = judge.probe() if isinstance(judge, Remote) else []
    finally:
        close_judge(judge)
    fix = "start the server, or name what it serves in the card; another server: judge.endpoints=[http://HOST:PORT/v1]"
    return [Mistake(line, where="judge.card", fix=fix) for line in wrong]
