"""The rewards: exactly one decides what is right, and each can be made."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from sgpo_cli.recipe.kinds import Reward, RewardCode, RewardFormat, RewardPython
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.words import did_you_mean


def is_outcome(reward: Reward) -> bool:
    """Whether a reward decides which groups are all-negative."""
    if isinstance(reward, RewardPython):
        return reward.outcome
    return reward.score == "all" if isinstance(reward, RewardCode) else reward.kind in ("math", "exact")


@reads("reward", "judge", "model")
def one_outcome(view: View) -> None:
    if only_judge(view.recipe):
        return
    outcomes = [index for index, reward in enumerate(view.recipe.reward) if is_outcome(reward)]
    if not outcomes:
        fix = "add {kind: math}, {kind: exact}, {kind: code}, or a python reward with outcome: true"
        view.error("reward", "no reward is an outcome: nothing says which rollouts are right", fix)
    for index in outcomes[1:]:
        what = f"reward.{index} is a second outcome, after reward.{outcomes[0]}: exactly one decides what is right"
        view.error(f"reward.{index}", what, "take one out; a python reward may say outcome: false")
    for index in outcomes[:1]:
        if view.recipe.reward[index].weight <= 0:
            what = f"reward.{index}.weight must be above 0: it is the outcome's, and right must pay more than wrong"
            view.error(f"reward.{index}.weight", what)


@reads("reward", "data.source", "data.columns.answer")
def grading_needs_answers(view: View) -> None:
    data = view.recipe.data
    for index, reward in enumerate(view.recipe.reward):
        if reward.kind in ("math", "exact") and data.source != "hops" and data.columns.answer is None:
            what = f"reward {reward.kind} compares with gold answers, and data.columns.answer is null"
            view.error(f"reward.{index}", what, "name the column: data.columns.answer")


@reads("reward")
def patterns_compile(view: View) -> None:
    for index, reward in enumerate(view.recipe.reward):
        if isinstance(reward, RewardFormat):
            try:
                re.compile(reward.pattern)
            except re.error as problem:
                at = f"reward.{index}.pattern"
                view.error(at, f"{at} is no regular expression: {problem}")


@reads("reward")
def functions_are_named(view: View) -> None:
    for index, reward in enumerate(view.recipe.reward):
        if not isinstance(reward, RewardPython):
            continue
        at = f"reward.{index}.path"
        place, _, name = reward.path.rpartition(":")
        dotted = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", place)
        if not name.isidentifier() or not (dotted or place.endswith(".py")):
            fix = "write package.module:function or file.py:function"
            view.error(at, f"{at} {reward.path!r} names no function", fix)
        elif place.endswith(".py"):
            _function_is_there(view, at, Path(place), name)


def _function_is_there(view: View, at: str, path: Path, name: str) -> None:
    """Looks into the file without running it."""
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as problem:
        view.error(at, f"{at}: {path.name} is not Python: {problem}")
        return
    names = _top_names(module)
    if names is not None and name not in names:
        view.error(at, f"{at}: {path.name} has no function {name!r}", did_you_mean(name, names, "it has"))


def _top_names(module: ast.Module) -> list[str] | None:
    """The names that a module's top level makes; None when only running it would tell (`import *`, `if`, `try`...)."""
    names: list[str] = []
    for item in module.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(item.name)
        elif isinstance(item, ast.Import | ast.ImportFrom) and all(alias.name != "*" for alias in item.names):
            names += [alias.asname or alias.name.partition(".")[0] for alias in item.names]
        elif isinstance(item, ast.Assign | ast.AnnAssign):
            names += [
                part.id for part in ast.walk(item) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            ]
        elif not isinstance(item, ast.Expr):
            return None
    return names
