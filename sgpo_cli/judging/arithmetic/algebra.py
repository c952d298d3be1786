"""Equations to be solved: does a line that is said to follow from the one before still have its solution?

Only linear equations in one letter are followed: `3(x + 2) = 21`, "dividing both sides by 3, x + 2 = 8".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from sgpo_cli.judging.arithmetic.equations import Chain
from sgpo_cli.judging.arithmetic.nodes import Binary, Letter, Node, Number, Unary
from sgpo_cli.judging.arithmetic.words import CASE, DERIVED, NOT_ARITHMETIC, TRIED

# Decimals get rounded on the way; a slip of the pen is rarely this small.
_SAME = Fraction(1, 100)
_MAX_BITS = 256


class _NotLinear(Exception):
    pass


Form = dict[str, Fraction]
"""Coefficients by letter; the constant is under ""."""


@dataclass(slots=True)
class Solving:
    """Of the last equation in each letter: its solution, its step, and whether it was nothing but `x = 3`."""

    roots: dict[str, tuple[Fraction, int, bool]] = field(default_factory=dict)

    def follow(self, chain: Chain, step: int) -> bool | None:
        """False when `chain` is said to follow from an equation in the same letter that has another solution; True when
        it does follow; None when nothing can be said."""
        equation = _equation(chain)
        if equation is None:
            for token in (token for side in chain.sides for token in side.tokens if token.kind == "var"):
                self.roots.pop(token.text, None)  # something in between was not understood
            return None
        letter, root, bare = equation
        before = self.roots.get(letter)
        if not chain.words.isdisjoint(CASE | TRIED | NOT_ARITHMETIC):
            self.roots.pop(letter, None)
            return None
        self.roots[letter] = (root, step, bare)
        if before is None or step - before[1] > 1 or not _is_derived(chain.words):
            return None
        if bare and before[2]:
            return None  # another solution, another case
        return abs(root - before[0]) <= _SAME * max(abs(root), abs(before[0]))


def _is_derived(words: set[str]) -> bool:
    return {"both", "sides"} <= words or any(word.startswith(DERIVED) for word in words)


def _equation(chain: Chain) -> tuple[str, Fraction, bool] | None:
    """The letter, the solution and the bareness of the first of the chain's equations that is linear in one letter."""
    if set(chain.relations) != {"="}:
        return None
    for at in range(len(chain.relations)):
        left, right = chain.sides[at].last, chain.sides[at + 1].first
        # "x girls" may be a count or a price: with units nothing is sure.
        if left is None or right is None or not {"$"}.issuperset(left.units + right.units):
            return None
        try:
            form = _sum(_form(left.node), _form(right.node), -1)
        except _NotLinear:
            return None
        letters = [name for name, value in form.items() if name and value]
        if len(letters) == 1:
            bare = left.operators == 0 and isinstance(left.node, Letter) and right.operators <= 1
            return letters[0], -form.get("", Fraction(0)) / form[letters[0]], bare
        if letters:
            return None
    return None


def _form(node: Node) -> Form:
    chain: list[Binary] = []
    while isinstance(node, Binary):
        chain.append(node)
        node = node.left
    if isinstance(node, Number):
        form = {"": node.value}
    elif isinstance(node, Letter) and node.name != "π":
        form = {node.name: Fraction(1)}
    elif isinstance(node, Unary):
        form = _unary(node)
    else:
        raise _NotLinear
    for parent in reversed(chain):
        form = _binary(parent.op, form, _form(parent.right))
        if any(value.numerator.bit_length() + value.denominator.bit_length() > _MAX_BITS for value in form.values()):
            raise _NotLinear
    return form


def _unary(node: Unary) -> Form:
    if node.op not in ("neg", "percent"):
        raise _NotLinear
    return _scaled(_form(node.part), Fraction(-1) if node.op == "neg" else Fraction(1, 100))


def _binary(op: str, left: Form, right: Form) -> Form:
    if op in "+-":
        return _sum(left, right, 1 if op == "+" else -1)
    if op == "*" and _is_constant(left):
        return _scaled(right, left.get("", Fraction(0)))
    if op in "*/" and _is_constant(right):
        by = right.get("", Fraction(0))
        if op == "*":
            return _scaled(left, by)
        if by:
            return _scaled(left, 1 / by)
    raise _NotLinear


def _is_constant(form: Form) -> bool:
    return not any(value for name, value in form.items() if name)


def _sum(left: Form, right: Form, sign: int) -> Form:
    return {
        name: left.get(name, Fraction(0)) + sign * right.get(name, Fraction(0)) for name in left.keys() | right.keys()
    }


def _scaled(form: Form, by: Fraction) -> Form:
    return {name: value * by for name, value in form.items()}
