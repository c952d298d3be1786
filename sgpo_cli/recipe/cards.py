"""Cards: recipes/, judges/ and evals/ are YAML, found by path or by name.

A bare name is looked for in ./KIND, then among the installed cards: package data of `sgpo_cli` in an installation, the
directories beside the package in a source checkout. What holds a slash or ends in .yaml is a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.errors import RecipeError, UserError
from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.recipe.kinds import JudgeCard
from sgpo_cli.recipe.lookup import listed, look
from sgpo_cli.recipe.nodes import Findings, Node, Place, shown
from sgpo_cli.recipe.rules.judgecard import check_judge_card
from sgpo_cli.recipe.walker import BAD, read
from sgpo_cli.recipe.words import did_you_mean
from sgpo_cli.recipe.yamlio import read_file

Kind = Literal["recipes", "judges", "evals"]

_SUFFIXES = (".yaml", ".yml")
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
    """The first comment line of a card, before any key."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            text = line.strip()
            if text.startswith("#") and text.strip("# "):
                return text.lstrip("# ").strip()
            if text and not text.startswith(("#", "---")):
                break
    return ""


def load_judge_card(name: str | Path) -> JudgeCard:
    """The judge card of that name or path; `RecipeError` with all its mistakes."""
    path = find_card("judges", name)
    findings = Findings()
    tree = read_file(path, findings)
    check_judge_card(tree, findings, path)
    card: JudgeCard = _read_card(JudgeCard, tree, path, findings, "judge card")
    return card


def load_eval_card(name: str | Path) -> EvalCard:
    """The eval card of that name or path; `RecipeError` with all its mistakes.

    Its name defaults to the file's stem; a relative `file` is taken from the current directory, else from the card's,
    and is absolute in the result.
    """
    path = find_card("evals", name)
    findings = Findings()
    tree = read_file(path, findings)
    assert isinstance(tree.value, dict)
    tree.value.setdefault("name", Node(path.stem, Place(file=path)))
    local = tree.value.get("file")
    if local is not None and isinstance(local.value, str):
        tree.value["file"] = Node(_local_file(local, path.parent, findings), local.place)
    _check_eval_card(tree, findings)
    card: EvalCard = _read_card(EvalCard, tree, path, findings, "eval card")
    return card


def _local_file(node: Node, beside: Path, findings: Findings) -> str:
    text = str(node.value)
    found = look(text, [Path.cwd(), beside])
    if found is not None:
        return str(found)
    looked = f"looked in {shown(Path.cwd())} and {shown(beside)}"
    findings.add("file", f"no such file: {text}", node.place, f"{looked}; name a JSONL file that exists")
    return text


def _check_eval_card(tree: Node, findings: Findings) -> None:
    assert isinstance(tree.value, dict)
    origins = {key: tree.child(key) for key in ("hub", "file", "task")}
    given = [key for key, child in origins.items() if child is not None and child.value is not None]
    if len(given) != 1:
        what = f"an eval card has exactly one of hub, file and task, not {' and '.join(given) or 'none'}"
        findings.add("hub", what, tree.value[given[-1]].place if given else tree.place)
    prompt = tree.child("prompt")
    if prompt is not None and isinstance(prompt.value, str) and "{problem}" not in prompt.value:
        fix = "write {problem} where the problem belongs"
        findings.add("prompt", "prompt does not hold {problem}", prompt.place, fix)


def _read_card(hint: Any, tree: Node, path: Path, findings: Findings, label: str) -> Any:
    value = read(hint, tree, findings)
    if findings.found or value is BAD:
        raise RecipeError(findings.mistakes([path]), title=f"{label} {path.stem} has mistakes")
    return value
