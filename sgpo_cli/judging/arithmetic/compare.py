"""Does an equation hold? `True`, `False`, or `None`: in doubt, it is not judged.

People round, mix units that convert, write 75 for 75% and state differences in the order of the sentence. What such a
habit explains is no error of arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from sgpo_cli.judging.arithmetic.evaluate import Amount, Unknown, evaluate
from sgpo_cli.judging.arithmetic.nodes import Binary, Expression, Node, Number, Unary, has_percent, parts_of
from sgpo_cli.judging.arithmetic.words import NOT_ARITHMETIC, ROUNDING, SUPPOSED, TRIED, UNIT, UNIT_LETTERS

_PLAIN = Fraction(1)
_FLOAT = Fraction(1, 10**9)  # what a calculator's or a program's digits may be off by
_HARDLY = Fraction(2, 100)
_CONVERSION = Fraction(3, 100)  # months and weeks are not exact


@dataclass(frozen=True, slots=True)
class Tolerance:
    """`places`: by how many units in the last printed place a decimal may be off; `approximate`: the relative
    error allowed where the text itself says that it rounds."""

    places: Fraction = Fraction(1)
    approximate: Fraction = Fraction(2, 100)


def holds(
    left: Expression,
    right: Expression,
    letters: Mapping[str, Amount],
    *,
    words: set[str],
    approximate: bool,
    starts: bool,
    tolerance: Tolerance,
) -> bool | None:
    """Whether `left = right`, None when that cannot or should not be said.

    `words` are the sentence's, `starts` tells that `left` begins its chain.
    """
    try:
        pairs = _readings(left.node, right.node, letters)
    except Unknown:
        return None
    approximate = approximate or not ROUNDING.isdisjoint(words)
    if any(_close(a, b, left.node, right.node, approximate, tolerance) for a, b in pairs):
        # Two bare numbers that agree say nothing ("5 apples = 5").
        return True if left.operators or right.operators or left.node != right.node else None
    return None if _excused(left, right, pairs[0], words, starts) else False


def _readings(left: Node, right: Node, letters: Mapping[str, Amount]) -> list[tuple[Amount, Amount]]:
    """The pairs of amounts to compare: a % sign is a hundredth, or the unit of its side."""
    pair = (evaluate(left, letters), evaluate(right, letters))
    if not (has_percent(left) or has_percent(right)):
        return [pair]
    plain = (evaluate(left, letters, percent=_PLAIN), evaluate(right, letters, percent=_PLAIN))
    return [pair, plain, (plain[0], pair[1]), (pair[0], plain[1])]


def _literal(node: Node) -> Number | None:
    """The number that a side prints, through a sign or a % sign."""
    while isinstance(node, Unary) and node.op in ("neg", "percent"):
        node = node.part
    return node if isinstance(node, Number) else None


def _close(a: Amount, b: Amount, left: Node, right: Node, approximate: bool, tolerance: Tolerance) -> bool:
    gap = abs(a.value - b.value)
    if gap <= _FLOAT * abs(a.value):
        return True
    allowed = Fraction(0)
    for node, amount in ((left, a), (right, b)):
        printed = _literal(node)
        if printed is None:
            allowed += amount.slack
            continue
        scale = abs(amount.value / printed.value) if printed.value else _PLAIN
        if printed.decimals:
            allowed += tolerance.places * scale * Fraction(1, 10**printed.decimals)
        elif approximate:
            allowed += scale * _last_place(printed.value)
    if approximate:
        allowed += tolerance.approximate * max(abs(a.value), abs(b.value))
    return gap <= allowed


def _last_place(value: Fraction) -> Fraction:
    """Half the unit of the last digit that is not 0: 50 for 1300."""
    number, unit = int(value), 1
    while number and number % 10 == 0:
        number //= 10
        unit *= 10
    return Fraction(unit, 2)


def _excused(left: Expression, right: Expression, pair: tuple[Amount, Amount], words: set[str], starts: bool) -> bool:
    a, b = pair[0].value, pair[1].value
    if not NOT_ARITHMETIC.isdisjoint(words) or not TRIED.isdisjoint(words):
        return True
    bare = left.operators == 0 and right.operators == 0
    if bare and (right.units or abs(a - b) < 1):
        return True  # "[22.8] = 22"
    if left.operators == 0 and (starts or left.units):
        # "4 hours = 4 * 60", "28 = 3 * 9 + 2": names a quantity or sets a condition, and calculates nothing.
        return not (_is_factored(left, right) and words.isdisjoint(SUPPOSED))
    if starts and _counts_things(left) and right.operators and not right.units:
        return True  # "1 pack of red + 2 packs of clear = 20 + 20 + 20"
    if left.units and right.node == Number(_PLAIN, 0, "1") and isinstance(left.node, Binary) and left.node.op == "/":
        return True  # "2.54 cm / 1 inch = 1"
    if left.units and right.units and right.operators == 0 and _is_fraction(left.node) and not _is_rate(left.units):
        return True  # "1/2 inch = 20 miles"
    if _rounds_to_whole(a, b, left.node, right.node) or _turned_round(left.node, a, b):
        return True
    scales = tuple(word for word in words if UNIT.get(word, ("", 0))[0] == "number")
    return _converts(left.units + right.units + scales, left.node, a, b)


def _counts_things(side: Expression) -> bool:
    """A sum of counted things, not of money."""
    is_sum = isinstance(side.node, Binary) and side.node.op in "+-"
    return is_sum and bool(side.units) and "$" not in side.units


def _is_factored(left: Expression, right: Expression) -> bool:
    """A whole number and its factors, `612 = 2^2 * 3 * 17`: this claims something."""
    if left.units or right.units or not isinstance(left.node, Number) or left.node.value < 2 or left.node.decimals:
        return False
    parts = list(parts_of(right.node))
    return (
        any(isinstance(part, Binary) and part.op == "*" for part in parts)
        and all(part.op in "*^" if isinstance(part, Binary) else isinstance(part, Number) for part in parts)
        and all(part.value >= 1 and not part.decimals for part in parts if isinstance(part, Number))
    )


def _is_rate(units: tuple[str, ...]) -> bool:
    """Units above and below a stroke, "3 miles / 440 feet per minute": a division after all."""
    return len({word for word in units if word in UNIT or word in UNIT_LETTERS}) > 1


def _is_fraction(node: Node) -> bool:
    """A quantity printed as a proper fraction, no division to be checked."""
    return (
        isinstance(node, Binary)
        and node.op == "/"
        and isinstance(node.left, Number)
        and isinstance(node.right, Number)
        and 0 < node.left.value < node.right.value
    )


def _rounds_to_whole(a: Fraction, b: Fraction, left: Node, right: Node) -> bool:
    """A whole number printed for a fraction that it hardly differs from (393.75 = 394; but not 7.33 = 7)."""
    for value, node, other in ((a, left, b), (b, right, a)):
        printed = _literal(node)
        if printed and not printed.decimals and other.denominator != 1:
            gap = abs(value - other)
            if gap < 1 and gap <= _HARDLY * abs(other):
                return True
    return False


def _turned_round(left: Node, a: Fraction, b: Fraction) -> bool:
    """3 - 8 = 5: a difference in the order of the sentence."""
    if not isinstance(left, Binary) or left.op != "-" or a != -b or b < 0:
        return False
    return isinstance(left.left, Number) and isinstance(left.right, Number)


def _converts(units: tuple[str, ...], node: Node, a: Fraction, b: Fraction) -> bool:
    """May a conversion between the units that are named explain the difference?"""
    seen: dict[str, set[int]] = {}
    for word in units:
        dimension, size = UNIT.get(word, ("", 1))
        if dimension:
            seen.setdefault(dimension, {1} if dimension == "number" else set()).add(size)
    factors = {Fraction(i, j) for sizes in seen.values() for i in sizes for j in sizes if i != j}
    if not factors:
        return False
    if isinstance(node, Binary) and node.op in "+-" and seen.keys() != {"number"}:
        return True
    if not a or not b:
        return False
    ratio = abs(a / b)
    return any(abs(ratio / power - 1) <= _CONVERSION for factor in factors for power in (factor, factor * factor))
