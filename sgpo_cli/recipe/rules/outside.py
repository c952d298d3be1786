"""What the recipe asks of things outside it: its run directory, benchmarks, trackers."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.rules.view import View, reads

# What makes each tracker usable, any of them; and what to install.
_TRACKERS = {
    "tensorboard": (("tensorboard", "tensorboardX"), "tensorboard"),
    "wandb": (("wandb",), "wandb"),
    "trackio": (("trackio",), "trackio"),
    "mlflow": (("mlflow",), "mlflow"),
}


# The name of a directory on any file system, and no option to a command.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@reads("name")
def name_is_a_directory(view: View) -> None:
    name = view.recipe.name
    if not _NAME.fullmatch(name) or name.endswith("."):
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:100] or "my_run"
        what = f"name {name!r} cannot be a run's directory: letters, digits, `.`, `_` and `-`, at most 100 of them"
        view.error("name", what, f"write name: {safe}")


@reads("data.source")
def benchmarks_are_there(view: View) -> None:
    """Looks at each benchmark whose card reads cleanly, whatever is wrong with others."""
    written = [path for path in view.places if re.fullmatch(r"benchmarks\.\d+", path)]
    if len(written) != len(view.recipe.benchmarks):
        return  # one could not be read at all: the numbers of those after it have shifted
    first: dict[str, int] = {}
    for index, use in enumerate(view.recipe.benchmarks):
        at = f"benchmarks.{index}"
        if view.errors.spoiled(f"{at}.card"):
            continue
        try:
            card = load_eval_card(use.card)
        except UserError as problem:
            view.error(f"{at}.card", f"{at}.card: {problem.what}", problem.fix)
            continue
        if card.name in first:
            earlier = f"benchmarks.{first[card.name]}"
            what = f"{at} measures {card.name} again, after {earlier}: their results would be one file"
            view.error(at, what, "take one out, or give it a card of its own name")
        first.setdefault(card.name, index)
        if card.task is not None and use.file is not None and not view.errors.spoiled(f"{at}.file"):
            what = f"{at}.file has no place: {card.name} is made by task {card.task}, not read"
            view.error(f"{at}.file", what, "take the file out")
        if card.task == "hops" and view.recipe.data.source != "hops":
            view.warn(at, f"{at} measures task hops, and the policy trains on {view.recipe.data.source}")


@reads("track")
def trackers_are_installed(view: View) -> None:
    """A warning only: a recipe for another machine can be planned here."""
    for at, what, fix in missing_trackers(view.recipe.track):
        view.warn(at, what, fix)
    for index, tracker in enumerate(view.recipe.track):
        if tracker in view.recipe.track[:index]:
            view.error(f"track.{index}", f"track names {tracker} twice", "take one out")


def missing_trackers(track: Sequence[str]) -> list[tuple[str, str, str]]:
    """(key, what is not installed, what to type) of the trackers that cannot be told anything here."""
    return [
        (f"track.{index}", f"track: {tracker} is not installed", f"pip install {package}, or take it out")
        for index, tracker in enumerate(track)
        for modules, package in [_TRACKERS[tracker]]
        if not any(_installed(module) for module in modules)
    ]


def _installed(module: str) -> bool:
    """Whether a module can be imported; a mere directory of that name (wandb leaves one behind) is none."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None
