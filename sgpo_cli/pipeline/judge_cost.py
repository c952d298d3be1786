"""What judging can cost: calls, tokens and money, from the judge's card and the recipe's sizes."""

from __future__ import annotations

import os
from typing import Any

from sgpo_cli.errors import Mistake, UserError
from sgpo_cli.pipeline.architecture import Shape, shape_of
from sgpo_cli.recipe.address import STANDIN
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import JudgeCard, LanguageModelCard, LearnedCard, ProcessRewardCard, asked_by
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.kinds import RescueStepwise
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Model, Recipe

_SPECIAL_TOKENS = 5  # of task hops: pad, begin, end, unknown, and the answer's marker
_CHARACTERS = 4.0
"""Of English and mathematics in a token, roughly."""


def judge_calls(recipe: Recipe, kind: str) -> int:
    """Verdicts at most: every rollout of every step all wrong."""
    if recipe.judge is None or only_judge(recipe):
        return 0
    if kind == "judge":
        labelled = recipe.offline.problems * recipe.trainer.group_size if recipe.offline is not None else 0
        return recipe.judge.measure + labelled
    if recipe.offline is not None:
        return 0
    rollouts = recipe.trainer.steps * recipe.trainer.prompts_per_step * recipe.trainer.group_size
    asked = recipe.rescue.kind != "none" or recipe.guidance.kind == "judged"
    return rollouts if kind == "train" and asked else 0


def measuring_calls(recipe: Recipe, kind: str) -> int:
    """Of these, verdicts at most that only measure the judge: the mixed groups of `rescue.trust.budget`."""
    rescue, trainer = recipe.rescue, recipe.trainer
    offline = recipe.offline is not None
    if kind != "train" or offline or recipe.judge is None:
        return 0
    if not isinstance(rescue, RescueStepwise) or rescue.trust is None:
        return 0
    return trainer.steps * min(rescue.trust.budget, trainer.prompts_per_step) * trainer.group_size


def label_calls(recipe: Recipe, kind: str) -> int:
    """Labels that a judge to be trained is given by another one."""
    train = recipe.judge.train if recipe.judge is not None else None
    if train is None or train.label_with is None:
        return 0
    if kind == "judge_train":
        return train.rollouts if train.labels is None else 0
    if kind != "train" or train.refresh_every is None:
        return 0
    return (recipe.trainer.steps - 1) // train.refresh_every * train.refresh_rollouts


def judge_cost(recipe: Recipe, kind: str, *, problem_tokens: int) -> dict[str, Any]:
    """`judge_calls`, of which `judge_measuring` measure the judge (`rescue.trust`) where that is done, and for judges
    behind a server `judge_tokens {input, output}`, `judge_cost {amount, currency}`, and under `judge_unpriced` the
    models that ask for a key, so that somebody may send a bill, and whose card has no price.

    Upper bounds but for retries and repair questions: every response and every answer at its longest, nothing cached.
    """
    verdicts, labels = judge_calls(recipe, kind), label_calls(recipe, kind)
    asked = [(verdicts, card) for card in language_models(recipe) if verdicts]
    measuring = measuring_calls(recipe, kind)
    told = {"judge_measuring": measuring * max(1, len(asked))} if measuring else {}
    asked += [(labels, card) for card in _served(_teacher(recipe)) if labels]
    if not asked:
        return {"judge_calls": verdicts + labels, **told}
    cards = [card for _, card in asked]
    tokens = {"input": 0, "output": 0}
    amounts: dict[str, float] = {}
    for verdicts, card in asked:
        used = {"input": verdicts * _input_tokens(card, recipe, problem_tokens), "output": verdicts * card.max_tokens}
        tokens = {name: tokens[name] + used[name] for name in tokens}
        if card.price is not None:
            money = (used["input"] * card.price.input + used["output"] * card.price.output) / 1e6
            amounts[card.price.currency] = amounts.get(card.price.currency, 0.0) + money
    priced = all(card.price is not None for card in cards) and len(amounts) == 1
    cost = {"amount": round(next(iter(amounts.values())), 2), "currency": next(iter(amounts))} if priced else None
    calls = sum(count for count, _ in asked)
    unpriced = list(dict.fromkeys(card.model for card in cards if card.key_env is not None and card.price is None))
    return {
        "judge_calls": calls,
        **told,
        "judge_tokens": tokens,
        "judge_cost": cost,
        **({"judge_unpriced": unpriced} if unpriced else {}),
    }


def _input_tokens(card: LanguageModelCard, recipe: Recipe, problem_tokens: int) -> int:
    words = len(card.prompt.system or "") + len(card.prompt.user) + len(card.prompt.reference)
    shown = card.reference != "never" and recipe.data.columns.solution is not None
    reference = recipe.trainer.max_completion_length // 2 if shown else 0
    return int(words / _CHARACTERS) + problem_tokens + reference + recipe.trainer.max_completion_length


def language_models(recipe: Recipe) -> list[LanguageModelCard]:
    """The language models that the recipe's judge asks: itself, or the members of a vote."""
    return _served(members(recipe.judge.card) if recipe.judge is not None else [])


def _teacher(recipe: Recipe) -> list[JudgeCard]:
    """Who labels rollouts for a judge that is trained."""
    train = recipe.judge.train if recipe.judge is not None else None
    return members(train.label_with) if train is not None and train.label_with is not None else []


def _served(cards: list[JudgeCard]) -> list[LanguageModelCard]:
    return [card for card in cards if isinstance(card, LanguageModelCard)]


def members(name: str) -> list[JudgeCard]:
    """The judge card of that name, or those that it asks in turn (a vote's members, a spoilt judge)."""
    card = load_judge_card(name)
    asked = asked_by(card)
    return [found for member in asked for found in members(member)] if asked else [card]


def judge_memory_gib(recipe: Recipe, *, accelerator: bool) -> float:
    """What the judge's own models take beside the policy, on an accelerator or in the memory of a machine without.

    Those of unknown size count nothing, nor do those on the CPU of a machine that has an accelerator.
    """
    cards = members(recipe.judge.card) if recipe.judge is not None else []
    models = [card for card in cards if isinstance(card, ProcessRewardCard) and card.device != "server"]
    shapes = [shape_of(Model(path=card.model, revision=card.revision)) for card in models]
    train = recipe.judge.train if recipe.judge is not None else None
    for card in cards:
        if isinstance(card, LearnedCard) and train is not None:
            models.append(_as_process_reward(card, train))
            shapes.append(learned_shape(recipe))
    if not models:
        return 0.0
    from sgpo_cli.judging.process_reward.size import memory_gib

    beside = [pair for pair in zip(models, shapes, strict=True) if not (accelerator and pair[0].device == "cpu")]
    known = [memory_gib(card, shape, accelerator=accelerator) for card, shape in beside]
    return sum(gib for gib in known if gib is not None)


def _as_process_reward(card: LearnedCard, train: JudgeTrain) -> ProcessRewardCard:
    """The card that a trained judge is read by, for its size."""
    return ProcessRewardCard(
        model="",
        style="token_classification",
        device=card.device,
        dtype=card.dtype,
        batch_tokens=card.batch_tokens,
        max_length=train.max_length,
    )


def learned_shape(recipe: Recipe) -> Shape | None:
    """The shape of the decoder that `judge.train` makes a judge of; None when it is unknown here."""
    train = recipe.judge.train if recipe.judge is not None else None
    assert train is not None
    if train.model is not None:
        return shape_of(Model(path=train.model))
    if train.scratch is not None:
        return shape_of(Model(scratch=train.scratch))
    return policy_shape(recipe)


def policy_shape(recipe: Recipe) -> Shape | None:
    """The shape of the policy; None when it is unknown here."""
    task = recipe.data.hops
    if recipe.data.source == "hops":
        return shape_of(recipe.model, vocab=task.entities + task.relations + _SPECIAL_TOKENS)
    return shape_of(recipe.model)


def missing_keys(recipe: Recipe) -> list[str]:
    """The environment variables that the judge's servers need and that are not set."""
    if recipe.judge is not None and recipe.judge.endpoints == [STANDIN]:
        return []
    names = [card.key_env for card in _behind_servers(recipe) if card.key_env is not None]
    return [name for name in dict.fromkeys(names) if not os.environ.get(name)]


def _behind_servers(recipe: Recipe) -> list[LanguageModelCard | ProcessRewardCard]:
    """All judges of the recipe that are asked over the network, one that labels for another included."""
    cards = [*(members(recipe.judge.card) if recipe.judge is not None else []), *_teacher(recipe)]
    reward = [card for card in cards if isinstance(card, ProcessRewardCard) and card.device == "server"]
    return [*_served(cards), *reward]


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
    if not online or recipe.judge is None or not _behind_servers(recipe):
        return []
    from sgpo_cli.judging.usage import Remote
    from sgpo_cli.stages.judging import close_judge, open_judge

    wrong: list[str] = []
    teacher = recipe.judge.train.label_with if recipe.judge.train is not None else None
    for name in (recipe.judge.card, teacher):
        if name is None or isinstance(load_judge_card(name), LearnedCard):
            continue
        judge = open_judge(name, task=recipe.data.hops, endpoints=recipe.judge.endpoints)
        try:
            wrong += judge.probe() if isinstance(judge, Remote) else []
        finally:
            close_judge(judge)
    fix = "start the server, or name what it serves in the card; another server: judge.endpoints=[http://HOST:PORT/v1]"
    return [Mistake(line, where="judge.card", fix=fix) for line in wrong]
