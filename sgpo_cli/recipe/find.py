"""Finding a card's file: by path, or by bare name.

A bare name is looked for in ./KIND, then among the installed cards: package data of `sgpo_cli` in an installation, the
directories beside the package in a source checkout. What holds a slash or ends in .yaml is a path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.lookup import listed, look
from sgpo_cli.recipe.nodes import shown
from sgpo_cli.recipe.words import did_you_mean

Kind = Literal["recipes", "judges", "evals"]

_SUFFIXES = (".yaml", ".yml")
_UNFINISHED = re.compile(r"^(.*[.!?]) [A-Z].*$")
_ONE = {"recipes": "recipe", "judges": "judge card", "evals": "eval card"}


@dataclass(frozen=True, slots=True)
class Card:
    """A card that can be named: what `sgpo list` shows."""

    name: str
    path: Path
    description: str


def installed_cards(kind: Kind) -> Path:
    """The directory of the cards that came with `sgpo_cli`."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_cards" / kind
    return shipped if shipped.is_dir() else package.parent / kind


def card_dirs(kind: Kind) -> list[Path]:
    """Where a bare name is looked for, first come first served."""
    return [Path.cwd() / kind, installed_cards(kind)]


def is_path(name: str) -> bool:
    """Whether a card is meant by path, not by bare name."""
    return "/" in name or name.endswith(_SUFFIXES)


def find_card(kind: Kind, name: str | Path, *, beside: Sequence[Path] = ()) -> Path:
    """The card's file, absolute; `UserError` with the nearest names and the places looked at.

    `beside` are further directories, looked at first: a path is taken relative to each of them before the current one.
    """
    text = str(name)
    if is_path(text):
        found = look(text, [*beside, Path.cwd()])
        if found is not None and found.is_file():
            return found
        raise UserError(f"no such {_ONE[kind]}: {text}", fix=_near_paths(kind, text))
    places = [*beside, *card_dirs(kind)]
    for root in places:
        for suffix in _SUFFIXES:
            found = look(f"{text}{suffix}", [root])
            if found is not None and found.is_file():
                return found
    names = [card.name for card in list_cards(kind, beside=beside)]
    looked = ", ".join(dict.fromkeys(shown(place) for place in places))
    advice = did_you_mean(text, names, f"{_ONE[kind]}s")
    raise UserError(f"no {_ONE[kind]} {text!r}", fix=f"{_file_here(text)}{advice} (looked in {looked})")


def _file_here(text: str) -> str:
    """Advice where a name is no card, but a file of that name lies here: only its path reaches it."""
    for suffix in _SUFFIXES:
        found = look(f"{text}{suffix}", [Path.cwd()])
        if found is not None and found.is_file():
            return f"for the file here write ./{text}{suffix}; "
    return ""


def _near_paths(kind: Kind, text: str) -> str:
    """Advice for a path where nothing stands: files beside it, and the cards that need no path."""
    there = [str(path) for path in listed(Path(text).parent) if path.suffix in _SUFFIXES]
    names = [card.name for card in list_cards(kind)]
    return did_you_mean(text, [*there, *names], f"{_ONE[kind]}s here")


def list_cards(kind: Kind, *, beside: Sequence[Path] = ()) -> list[Card]:
    """The cards that a bare name reaches, by name; an earlier directory's card hides a later one of the same name."""
    found: dict[str, Card] = {}
    for root in (*beside, *card_dirs(kind)):
        for path in listed(root):
            if path.suffix in _SUFFIXES and path.is_file() and path.stem not in found:
                found[path.stem] = Card(path.stem, path.resolve(), _description(path))
    return sorted(found.values(), key=lambda card: card.name)


def _description(path: Path) -> str:
    """The first comment line of a card, before any key, without a sentence that goes on in the next line."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            text = line.strip()
            if text.startswith("#") and text.strip("# "):
                told = text.lstrip("# ").strip()
                return told if told.endswith((".", "!", "?")) else _UNFINISHED.sub(r"\1", told)
            if text and not text.startswith(("#", "---")):
                break
    return ""
