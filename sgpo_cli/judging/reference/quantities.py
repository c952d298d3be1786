"""The quantities of a text: the numbers that it prints, and what it calculates from which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from sgpo_cli.judging.arithmetic.equations import Chain, chains_of
from sgpo_cli.judging.arithmetic.evaluate import Unknown, evaluate
from sgpo_cli.judging.arithmetic.marks import take_marks
from sgpo_cli.judging.arithmetic.nodes import Expression, Number, parts_of
from sgpo_cli.judging.arithmetic.tokens import tokenize

Values = frozenset[Fraction]
_STEP_NUMBER = re.compile(r"\s*(?:\*\*)?(?:[Ss]tep\s*)?#?\d{1,3}\s*[:.)](?=\s|\*|$)")


@dataclass(frozen=True, slots=True)
class Calculation:
    """`3 * 4 = 12`: the values of its sides (equal, unless it is wrong), and the numbers calculated with."""

    values: Values
    operands: Values

    def __str__(self) -> str:
        return " = ".join(str(float(value)) if value.denominator > 1 else str(value) for value in sorted(self.values))


def numbers(text: str) -> Values:
    """The sizes of all numbers that a text prints, calculator marks included; a step's own number is none of them."""
    return frozenset(token.value for part in _parts(text) for token in tokenize(part) if token.kind == "num")


def calculations(text: str) -> list[Calculation]:
    """What a text calculates, in order: every chain of equal sides of which one at the right has a value."""
    return [found for part in _parts(text) for chain in chains_of(part) if (found := _calculation(chain))]


def quantities(text: str) -> Values:
    """All sizes that a text prints or calculates."""
    return numbers(text).union(*(calculation.values for calculation in calculations(text)))


def _parts(text: str) -> Iterator[str]:
    marks, rest = take_marks(_STEP_NUMBER.sub("", text, count=1) if _STEP_NUMBER.match(text) else text)
    yield from marks
    yield rest


def _calculation(chain: Chain) -> Calculation | None:
    if "?" in chain.relations:  # a comparison or an inequality
        return None
    sides = [chain.sides[0].last, *(side.first for side in chain.sides[1:])]
    values = [_value(side) for side in sides]
    if not any(value is not None for value in values[1:]):
        return None
    printed = [
        part.value
        for side in sides
        if side and side.operators
        for part in parts_of(side.node)
        if isinstance(part, Number)
    ]
    return Calculation(frozenset(abs(value) for value in values if value is not None), frozenset(printed))


def _value(side: Expression | None) -> Fraction | None:
    try:
        return evaluate(side.node, {}).value if side else None
    except Unknown:
        return None
