"""Opens the judge that a recipe or a command names."""

from __future__ import annotations

from dataclasses import asdict

from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.verdict import Judge
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.schema import HopsTask


def open_judge(card: str, *, task: HopsTask) -> Judge:
    """The judge of `card`; `task` is what a judge of the built-in task is told of its facts."""
    loaded = load_judge_card(card)
    options = {key: value for key, value in asdict(loaded).items() if key != "kind"}
    if loaded.kind == "hops_oracle":
        options["task"] = task
    return load_judge(loaded.kind, options)
