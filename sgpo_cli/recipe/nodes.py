"""A recipe as a tree that remembers where everything stands: file and line, or the number of the override.

YAML, overrides and plain Python values all become the same `Node`s; merging, interpolation and the walker work on them.
A `Finding` is a mistake that is not shown yet: all are collected first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sgpo_cli.errors import Mistake

Scalar = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: a line (1-based) of a file, or a key=value of the command line, with its `text`."""

    file: Path | None = None
    line: int | None = None
    override: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        if self.override is not None:
            said = f" ({_short(self.text)})" if self.text else ""
            return f"override {self.override}{said}"
        if self.file is None:
            return "here"
        name = shown(self.file)
        return name if self.line is None else f"{name}:{self.line}"


def _short(text: str) -> str:
    """One line of at most 60 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def shown(path: Path) -> str:
    """`path` as a person would type it: relative when it lies below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@dataclass(slots=True)
class Node:
    """A value and the place of its key; `raw` is the interpolation that the value was made from. A `broken` node is a
    mistake that was noted already: it has no value to judge."""

    value: Scalar | dict[str, Node] | list[Node]
    place: Place
    raw: str | None = None
    broken: bool = False

    def child(self, key: str) -> Node | None:
        """The child of a mapping; None when it is not a mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at the dotted path of a key."""

    path: str
    what: str
    place: Place
    fix: str | None = None

    def mistake(self) -> Mistake:
        return Mistake(self.what, where=str(self.place), fix=self.fix)


@dataclass(slots=True)
class Findings:
    """The mistakes found so far. `doubtful` are the paths whose values cannot be relied on because of them."""

    found: list[Finding] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)

    def add(self, path: str, what: str, place: Place, fix: str | None = None, *, spoils: Iterable[str] = ()) -> None:
        """Notes a mistake; what it spoils is its own path unless said otherwise."""
        self.found.append(Finding(path, what, place, fix))
        self.doubtful.update(spoils or (path,))

    def spoiled(self, path: str) -> bool:
        """Whether the value at `path`, something in it or something around it is mistaken."""
        return any(path == bad or path.startswith(f"{bad}.") or bad.startswith(f"{path}.") for bad in self.doubtful)

    def mistakes(self, sources: list[Path]) -> list[Mistake]:
        """In the order of the files, then of the lines, then of the overrides; the same message only once."""
        order = {path: index for index, path in enumerate(sources)}

        def rank(finding: Finding) -> tuple[int, int]:
            place = finding.place
            if place.override is not None:
                return len(order) + 1, place.override
            return (len(order) if place.file is None else order.get(place.file, len(order))), place.line or 0

        return list(dict.fromkeys(finding.mistake() for finding in sorted(self.found, key=rank)))


def join(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)


def from_plain(value: Any, place: Place) -> Node:
    """The tree of a plain value (dict, list, tuple, scalar), all of it at one place."""
    if isinstance(value, Mapping):
        return Node({str(key): from_plain(item, place) for key, item in value.items()}, place)
    if isinstance(value, list | tuple):
        return Node([from_plain(item, place) for item in value], place)
    if value is None or isinstance(value, bool | int | float | str):
        return Node(value, place)
    raise TypeError(f"no recipe holds a {type(value).__name__}")


def to_plain(node: Node) -> Any:
    """The plain value of a tree."""
    if isinstance(node.value, dict):
        return {key: to_plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(item) for item in node.value]
    return node.value


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node with its dotted path; list items are numbered from 0."""
    yield path, node
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from walk(item, join(path, key))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from walk(item, join(path, index))


def merge(base: Node, top: Node) -> Node:
    """`top` laid over `base`: mappings merge, anything else replaces.

    A section whose `kind` changes loses the fields it inherited from files, since they belong to the other kind
    (`rescue: {kind: none}` over a stepwise parent is whole). Fields set on the command line stay whatever their order,
    so that `rescue.beta=3 rescue.kind=stepwise` means what it says.
    """
    if not (isinstance(base.value, dict) and isinstance(top.value, dict)):
        return top
    merged = dict(base.value)
    old, new = base.child("kind"), top.child("kind")
    if new is not None and (old is None or old.value != new.value):
        merged = {key: item for key, item in merged.items() if item.place.override is not None}
    for key, item in top.value.items():
        below = merged.get(key)
        merged[key] = item if below is None else merge(below, item)
    return Node(merged, top.place)
