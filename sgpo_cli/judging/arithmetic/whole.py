"""What counts cannot be: a remainder that does not fit, a fraction of a person, fewer than none left."""

from __future__ import annotations

from sgpo_cli.judging.arithmetic.equations import Side
from sgpo_cli.judging.arithmetic.evaluate import Unknown, evaluate
from sgpo_cli.judging.arithmetic.nodes import Binary, Expression, Number, Unary
from sgpo_cli.judging.arithmetic.words import AVERAGED, LEFT_OVER, PEOPLE, ROUNDING


def remainder_holds(left: Expression, right: Side) -> bool | None:
    """Whether `a / b = q remainder r` holds; None when it is nothing of the kind."""
    said = [token for token in right.tokens if token.text not in ("with", "a", "of", "$", "") or token.kind == "num"]
    if [token.kind for token in said[:1] + said[2:3]] != ["num", "num"]:
        return None
    quotient, word, rest = said[:3]
    if word.text not in ("remainder", "R", "r") or (len(said) > 3 and said[3].kind not in ("word", "close")):
        return None
    if not isinstance(left.node, Binary) or left.node.op != "/":
        return None
    try:
        top, bottom = evaluate(left.node.left, {}).value, evaluate(left.node.right, {}).value
    except Unknown:
        return None
    if bottom <= 0 or any(value.denominator != 1 for value in (top, bottom, quotient.value, rest.value)):
        return None
    return top == quotient.value * bottom + rest.value and rest.value < bottom


def cannot_be(left: Expression, right: Expression, words: set[str]) -> bool:
    """Is the stated result of a calculation a count that no count can be?"""
    unit = right.units[0] if right.units else ""
    if isinstance(right.node, Number):
        broken = right.node.decimals > 0 and right.node.value.denominator != 1
        return broken and left.operators > 0 and unit in PEOPLE and words.isdisjoint(AVERAGED | ROUNDING)
    if not isinstance(right.node, Unary) or right.node.op != "neg" or not isinstance(right.node.part, Number):
        return False
    taken = left.node
    if not isinstance(taken, Binary) or taken.op != "-":
        return False
    if not isinstance(taken.left, Number) or not isinstance(taken.right, Number) or "$" in left.units + right.units:
        return False
    return not LEFT_OVER.isdisjoint(words) or {"number", "of"} <= words
