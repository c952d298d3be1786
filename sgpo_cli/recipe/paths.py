"""Files that a recipe names, made absolute.

A relative path is taken from the current directory first, then from the directory of the file that names it (an
override: of the recipe). The loaded recipe holds absolute paths, so that `runs/NAME/recipe.yaml` runs again from
anywhere. Where a hub id may stand as well (`model.path`, `data.source`) what is no local path is left for the hub,
unless it can only be a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.find import Kind, find_card, is_path
from sgpo_cli.recipe.lookup import listed, look
from sgpo_cli.recipe.nodes import Findings, Node, shown, walk
from sgpo_cli.recipe.words import nearest

_DATA_SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".arrow", ".txt", ".gz", ".zst")
_HUB_ID = re.compile(r"[A-Za-z0-9_.-]{1,96}(/[A-Za-z0-9_.-]{1,96})?")


def resolve_paths(tree: Node, recipe: Path, findings: Findings, *, names: bool = False) -> None:
    """Replaces the relative paths in `tree`; a file that is not there is a mistake at its line, and so is (with
    `names`) a card that no name reaches."""
    for path, node in walk(tree):
        resolver = _resolver(path)
        if resolver is not None and isinstance(node.value, str):
            beside = (node.place.file or recipe).parent
            try:
                kind = _CARDS.get(re.sub(r"\d+", "N", path))
                if names and kind is not None and not is_path(node.value):
                    find_card(kind, node.value)
                node.value = resolver(node.value, beside)
            except UserError as problem:
                findings.add(path, f"{path}: {problem.what}", node.place, problem.fix)


def _resolver(path: str) -> Callable[[str, Path], str] | None:
    for pattern, resolver in _RESOLVERS.items():
        if re.fullmatch(pattern, path):
            return resolver
    return None


def _file(text: str, beside: Path) -> str:
    found = look(text, [Path.cwd(), beside])
    if found is None:
        raise UserError(f"no such file: {text}", fix=_advice(text, beside))
    if found.is_dir():
        raise UserError(f"{text} is a directory, not a file")
    return str(found)


def hub_or_local(text: str, beside: Path) -> str:
    """What is on this disk, made absolute; else `text`, a hub id. `UserError` where it can only be a path."""
    found = look(text, [Path.cwd(), beside])
    if found is not None:
        return str(found)
    meant = text.startswith((".", "/", "~")) or text.endswith(_DATA_SUFFIXES) or not _HUB_ID.fullmatch(text)
    if meant:
        raise UserError(f"no such file or directory: {text}", fix=_advice(text, beside))
    return text


def _source(text: str, beside: Path) -> str:
    return text if text == "hops" else hub_or_local(text, beside)


def _card(kind: Kind) -> Callable[[str, Path], str]:
    def resolve(text: str, beside: Path) -> str:
        if not is_path(text):
            return text  # a name, which stays one: cards are found anew wherever the recipe runs
        return str(find_card(kind, text, beside=[Path.cwd(), beside]))

    return resolve


def _function(text: str, beside: Path) -> str:
    """`file.py:function`; `package.module:function` is left alone."""
    file, colon, name = text.rpartition(":")
    return f"{_file(file, beside)}:{name}" if colon and file.endswith(".py") else text


def _advice(text: str, beside: Path) -> str:
    """The nearest files there, and where they were looked for."""
    roots = list(dict.fromkeys([Path.cwd(), beside]))
    parents = [(root / text).parent for root in roots]
    there = {item.name for parent in parents for item in listed(parent)}
    near = nearest(Path(text).name, sorted(there))
    looked = f"looked in {' and '.join(shown(parent) for parent in dict.fromkeys(parents))}"
    return f"did you mean {' or '.join(near)}? {looked}" if near else looked


_CARDS: dict[str, Kind] = {
    "judge.card": "judges",
    "judge.train.label_with": "judges",
    "benchmarks.N.card": "evals",
}

_RESOLVERS: dict[str, Callable[[str, Path], str]] = {
    r"model\.path": hub_or_local,
    r"model\.chat_template": _file,
    r"data\.source": _source,
    r"judge\.card": _card("judges"),
    r"judge\.floor\.data": _file,
    r"offline\.responses": _file,
    r"judge\.train\.model": hub_or_local,
    r"judge\.train\.labels": _file,
    r"judge\.train\.label_with": _card("judges"),
    r"reward\.\d+\.path": _function,
    r"benchmarks\.\d+\.card": _card("evals"),
    r"benchmarks\.\d+\.file": _file,
}
