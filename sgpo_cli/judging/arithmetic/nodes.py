"""Expressions as trees: what the parser makes and the rest of this judge walks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


class NotArithmetic(Exception):
    """These tokens are not an expression that this judge dares to read."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction
    decimals: int
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """`op`: neg, percent, sqrt or fact."""

    op: str
    part: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """`op`: + - * / ^; a mixed number is a sum."""

    op: str
    left: Node
    right: Node


Node = Number | Letter | Unary | Binary


@dataclass(frozen=True, slots=True)
class Expression:
    """`tokens[start:end]` read as `node`; `units` are its unit words in order, `operators` how many it has.

    `worded`: one of the operators was a word ("times", "of"), which may as well have been meant to go on the sentence.
    """

    node: Node
    start: int
    end: int
    operators: int
    units: tuple[str, ...]
    worded: bool = False


def has_percent(node: Node) -> bool:
    return any(isinstance(part, Unary) and part.op == "percent" for part in parts_of(node))


def letters_of(node: Node) -> set[str]:
    """The letters in an expression."""
    return {part.name for part in parts_of(node) if isinstance(part, Letter)}


def operators_of(node: Node) -> list[str]:
    """The kinds of its binary operators, in one fixed order: a difference counts as a sum, signs do not count."""
    return ["+" if part.op == "-" else part.op for part in parts_of(node) if isinstance(part, Binary)]


def parts_of(node: Node) -> Iterator[Node]:
    """The node and all nodes below it."""
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, Binary):
            stack += (part.right, part.left)
        elif isinstance(part, Unary):
            stack.append(part.part)
