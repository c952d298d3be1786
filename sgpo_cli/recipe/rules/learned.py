"""`judge.train`, and recipes with a judge section only: that there are labels, a model to train, and a use for both."""

from __future__ import annotations

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import JudgeCard, LearnedCard, asked_by
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import JudgeUse

_FROM_LABELS = "name a file of labelled steps: judge.train.labels"


@reads("judge", "model", "reward", "benchmarks", "warmup", "rescue", "guidance")
def a_judge_alone_has_work(view: View) -> None:
    """A recipe with a judge section only trains it from a file, or measures it on one."""
    judge = view.recipe.judge
    if judge is None or not only_judge(view.recipe):
        return
    if judge.train is None and (judge.floor is None or judge.floor.data is None):
        what = "this recipe has a judge section only, and it neither trains the judge nor has data to measure it on"
        fix = "add judge.train with labels, or judge.floor.data; or a model and a reward, to train a policy"
        view.error("judge", what, fix)
    if judge.train is None:
        return
    if judge.train.labels is None:
        what = "judge.train has no labels, and a recipe without a policy has no rollouts to label"
        view.error(view.blame("judge.train.labels", "judge.train"), what, _FROM_LABELS)
    if judge.train.model is None and judge.train.scratch is None:
        what = "judge.train has no model, and there is no policy to make a judge of"
        view.error("judge.train", what, "name one: judge.train.model=HUB_ID_OR_FOLDER")
    if judge.train.refresh_every is not None:
        what = "judge.train.refresh_every follows a policy, and this recipe trains none"
        view.error("judge.train.refresh_every", what, "write judge.train.refresh_every: null")


@reads("judge.train", "judge.card")
def training_and_card_go_together(view: View) -> None:
    judge = view.recipe.judge
    if judge is None:
        return
    try:
        learned = _learned(load_judge_card(judge.card))
    except UserError:
        return  # said by judge_fits_the_data
    if learned and judge.train is None:
        what = f"judge.card {judge.card} is the judge that judge.train trains, and there is no judge.train"
        view.error("judge.card", what, "add judge.train, or name another card (sgpo list judges)")
    if judge.train is not None and not learned:
        what = f"judge.train trains a judge, and judge.card {judge.card} does not use it"
        view.error(view.blame("judge.card", "judge.train"), what, "write judge.card: learned, or judge.train: null")


def _is_learned(judge: JudgeUse | None) -> bool:
    try:
        return judge is not None and isinstance(load_judge_card(judge.card), LearnedCard)
    except UserError:
        return True  # said by judge_fits_the_data


def _learned(card: JudgeCard) -> bool:
    """Whether the card, or one that it asks, is the judge that a recipe trains."""
    return isinstance(card, LearnedCard) or any(_learned(load_judge_card(name)) for name in asked_by(card))


@reads("judge.train", "data.source")
def labels_come_from_somewhere(view: View) -> None:
    judge, data = view.recipe.judge, view.recipe.data
    train = judge.train if judge is not None else None
    if train is None:
        return
    if train.model is not None and train.scratch is not None:
        at = view.blame("judge.train.model", "judge.train.scratch")
        view.error(at, "judge.train has both model and scratch", "write null for one of them")
    if not only_judge(view.recipe) and train.labels is None and train.label_with is None:
        what = "judge.train has neither labels nor a judge that labels rollouts"
        view.error("judge.train", what, f"{_FROM_LABELS}; or a card: judge.train.label_with")
    if judge is not None and train.refresh_every is not None and not _is_learned(judge):
        what = f"judge.train.refresh_every goes on with the judge itself, and judge.card {judge.card} asks others too"
        view.error("judge.train.refresh_every", what, "write judge.card: learned")
    if train.refresh_every is not None and train.label_with is None:
        what = "judge.train.refresh_every labels rollouts anew, and judge.train.label_with names nobody who does"
        view.error("judge.train.refresh_every", what, "name a judge card: judge.train.label_with")
    if train.label_with is None:
        return
    try:
        card = load_judge_card(train.label_with)
    except UserError as problem:
        view.error("judge.train.label_with", f"judge.train.label_with: {problem.what}", problem.fix)
        return
    if _learned(card):
        view.error("judge.train.label_with", "judge.train.label_with is the judge that is trained", "name another card")
    if card.kind == "hops_oracle" and data.source != "hops":
        what = f"judge.train.label_with {train.label_with} knows task hops only, and data.source is {data.source}"
        view.error("judge.train.label_with", what, "take another judge: sgpo list judges")


@reads("judge.train")
def what_is_written_is_used(view: View) -> None:
    judge = view.recipe.judge
    train = judge.train if judge is not None else None
    if train is None:
        return
    if train.model is None and train.scratch is not None and train.scratch.context < train.max_length:
        most, context = train.max_length, train.scratch.context
        what = f"judge.train.scratch.context {context} is below judge.train.max_length {most}: longer ones are left out"
        at = view.blame("judge.train.scratch.context", "judge.train.max_length", "judge.train.scratch")
        view.warn(at, what, f"write judge.train.scratch.context={most}, or judge.train.max_length={context}")
    if train.labels is not None and train.label_with is not None and train.refresh_every is None:
        what = "judge.train.label_with does nothing: judge.train.labels gives the labels, and nobody labels anew"
        view.warn("judge.train.label_with", what, "write null for one of them, or set judge.train.refresh_every")


@reads("judge.floor")
def a_floor_asks_for_something(view: View) -> None:
    floor = view.recipe.judge.floor if view.recipe.judge is not None else None
    if floor is not None and floor.f1 is None and floor.exact is None and floor.correlation is None:
        view.error("judge.floor", "judge.floor asks for nothing", "set f1, exact or correlation; or judge.floor: null")
