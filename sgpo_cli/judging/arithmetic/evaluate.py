"""An expression's exact value, and how far rounding in what was printed may have moved it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, isqrt

from sgpo_cli.judging.arithmetic.nodes import Binary, Letter, Node, Number, Unary

MAX_BITS = 512
_ROOT_SCALE = 10**20
# Two places of thirds, sixths and sevenths: 1/3, 2/3, 5/6, 1/6, 1/7, 3/7, 5/7.
_ROUNDED = {"33", "66", "67", "83", "17", "14", "43", "71"}


class Unknown(Exception):
    """The expression has no value here: a letter that stands for nothing yet, a division by zero, a huge power."""


@dataclass(frozen=True, slots=True)
class Amount:
    """`value` is exact for what was printed; the true one may be off by `slack`, as an input was itself rounded."""

    value: Fraction
    slack: Fraction = Fraction(0)


def evaluate(node: Node, letters: Mapping[str, Amount], *, percent: Fraction = Fraction(1, 100)) -> Amount:
    """The amount of `node`; `percent` is what a % sign multiplies by. Raises `Unknown`."""
    amount = _evaluate(node, letters, percent)
    if max(amount.value.numerator.bit_length(), amount.value.denominator.bit_length()) > MAX_BITS:
        raise Unknown("too large")
    return amount


def _evaluate(node: Node, letters: Mapping[str, Amount], percent: Fraction) -> Amount:
    # Sums lean to the left, so their chain is walked in a loop: a thousand terms need no thousand frames.
    chain: list[Binary] = []
    while isinstance(node, Binary):
        chain.append(node)
        node = node.left
    if isinstance(node, Number):
        amount = Amount(node.value, rounding_of(node))
    elif isinstance(node, Letter):
        if node.name not in letters:
            raise Unknown(f"{node.name} stands for nothing yet")
        amount = letters[node.name]
    else:
        amount = _unary(node, _evaluate(node.part, letters, percent), percent)
    for parent in reversed(chain):
        amount = _binary(parent.op, amount, _evaluate(parent.right, letters, percent))
        if amount.value.numerator.bit_length() + amount.value.denominator.bit_length() > 2 * MAX_BITS:
            raise Unknown("too large")
    return amount


def rounding_of(number: Number) -> Fraction:
    """A unit in the last place for a decimal that looks rounded or cut (66.67, three places or more), else 0."""
    if number.decimals >= 3 or (number.decimals == 2 and number.text[-2:] in _ROUNDED):
        return Fraction(1, 10**number.decimals)
    return Fraction(0)


def _unary(node: Unary, part: Amount, percent: Fraction) -> Amount:
    if node.op == "neg":
        return Amount(-part.value, part.slack)
    if node.op == "percent":
        return Amount(part.value * percent, part.slack * percent)
    if node.op == "fact":
        if part.value.denominator != 1 or not 0 <= part.value <= 25:
            raise Unknown("no factorial")
        return Amount(Fraction(factorial(int(part.value))))
    if part.value < 0:
        raise Unknown("root of a negative number")
    top, bottom = isqrt(part.value.numerator), isqrt(part.value.denominator)
    if Fraction(top, bottom) ** 2 == part.value:
        return Amount(Fraction(top, bottom), part.slack)
    scaled = part.value * _ROOT_SCALE**2
    root = Fraction(isqrt(scaled.numerator // scaled.denominator), _ROOT_SCALE)
    return Amount(root, part.slack + Fraction(1, 10**9))


def _binary(op: str, left: Amount, right: Amount) -> Amount:
    a, b = left.value, right.value
    slack = left.slack + right.slack
    if op == "+":
        return Amount(a + b, slack)
    if op == "-":
        return Amount(a - b, slack)
    if op == "*":
        return Amount(a * b, slack and abs(a) * right.slack + abs(b) * left.slack)
    if op == "/":
        if b == 0:
            raise Unknown("division by zero")
        return Amount(a / b, slack and left.slack / abs(b) + abs(a) * right.slack / (b * b))
    return Amount(_power(a, b), slack and (left.slack * abs(_power(a, b - 1) * b) if a and b >= 1 else slack))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > 200:
        raise Unknown("not a whole power")
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if size * abs(int(exponent)) > MAX_BITS or (base == 0 and exponent <= 0):
        raise Unknown("too large")
    return base ** int(exponent)
