"""The judge's card and servers: that they exist, that they suit the data, and that no secret is written down."""

from __future__ import annotations

import re
from dataclasses import replace

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.address import ADDRESS_FIX, SECRET_FIX, wrong_address
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import JudgeCard, LanguageModelCard, VoteCard
from sgpo_cli.recipe.nodes import Place
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.view import View, reads

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)


@reads("judge.card", "judge.compare_with", "data.source", "data.columns")
def judge_fits_the_data(view: View) -> None:
    judge = view.recipe.judge
    if judge is None:
        return
    for path, name in (("judge.card", judge.card), ("judge.compare_with", judge.compare_with)):
        if name is None:
            continue
        try:
            cards = _members(load_judge_card(name))
        except UserError as problem:
            view.error(path, f"{path}: {problem.what}", problem.fix)
            continue
        for card in cards:
            _fits(view, path, name, card)
    if judge.compare_with == judge.card:
        view.warn("judge.compare_with", "judge.compare_with is the judge itself: they will agree", "name another card")


def _fits(view: View, path: str, name: str, card: JudgeCard) -> None:
    if only_judge(view.recipe):
        return  # whether labelled rows carry what it needs is seen when they are read
    source = view.recipe.data.source
    blind = source != "hops" and view.recipe.data.columns.solution is None
    if card.kind == "hops_oracle" and source != "hops":
        what = f"{path} {name} knows the facts of task hops only, and data.source is {source}"
        view.error(path, what, "take another judge: sgpo list judges; arithmetic works on any text")
    if card.kind == "arithmetic" and source == "hops":
        what = f"{path} {name} checks equations, and task hops states none: it will abstain on everything"
        view.warn(path, what, f"write {path}: hops_oracle")
    if blind and (card.kind == "reference" or (isinstance(card, LanguageModelCard) and card.reference == "always")):
        what = f"{path} {name} compares with the reference solution, and no column of data.source is named as one"
        view.error(path, what, "name it: data.columns.solution=COLUMN; or take another judge")


def _members(card: JudgeCard) -> list[JudgeCard]:
    """The card itself, or those that a vote asks."""
    if not isinstance(card, VoteCard):
        return [card]
    return [member for name in card.judges for member in _members(load_judge_card(name))]


@reads("judge.endpoints", "judge.card")
def endpoints_are_addresses(view: View) -> None:
    judge = view.recipe.judge
    if judge is None or judge.endpoints is None:
        return
    if not judge.endpoints:
        view.error("judge.endpoints", "judge.endpoints is empty", "name a server, or write judge.endpoints: null")
    for url in judge.endpoints:
        what = wrong_address(url)
        if what is not None:
            fix = SECRET_FIX if "password" in what else ADDRESS_FIX
            view.errors.add("judge.endpoints", f"judge.endpoints: {what}", _quiet(view.place("judge.endpoints")), fix)
    try:
        cards = _members(load_judge_card(judge.card))
    except UserError:
        return  # said by judge_fits_the_data
    if not any(isinstance(card, LanguageModelCard) or getattr(card, "device", None) == "server" for card in cards):
        view.warn("judge.endpoints", f"judge.endpoints does nothing: judge.card {judge.card} asks no server")


def _quiet(place: Place) -> Place:
    """The place of a value that is not to be repeated: an override is named by its number alone."""
    return replace(place, text=None)


@reads("launch.env")
def no_secret_in_the_recipe(view: View) -> None:
    """A recipe is written to its run directory, resolved; the shell's variables reach the stages by themselves."""
    for name in view.recipe.launch.env:
        if _SECRET.search(name):
            what = f"launch.env.{name} looks like a secret, and a recipe is written to the run's files"
            fix = f"take it out and set it in your shell: export {name}=...; stages inherit it"
            view.errors.add("launch.env", what, _quiet(view.place("launch.env")), fix)
