"""Whether two formulas differ, seen from their values at a few points: milliseconds, where computer algebra that fails
to show an equality takes seconds or does not end.

Only "they differ" is ever concluded, and only from finite values at two points that are clearly apart: a formula is
never called equal here. Decimals in constants are left to the rounding rules (`quick`).
"""

from __future__ import annotations

import cmath
import hashlib
from typing import Any

_APART = 1e-5
_CONSTANTS_APART = 1e-9
_DIGITS = 30
_FEWEST_SYMBOLS = 3
_MOST_SYMBOLS = 12


def differ(gold: Any, answer: Any) -> bool:
    """Whether two parsed answers (sympy objects) are certainly not equal; False when that is not known."""
    from sympy import Equality, Expr, FiniteSet, Tuple

    if isinstance(gold, Equality) and isinstance(answer, Equality):
        if not all(isinstance(side, Expr) for side in (*gold.args, *answer.args)):
            return False
        return _equations_differ(_plain(gold.lhs - gold.rhs), _plain(answer.lhs - answer.rhs))
    if isinstance(gold, Tuple) and isinstance(answer, Tuple):
        return len(gold) != len(answer) or any(differ(*pair) for pair in zip(gold, answer, strict=True))
    if isinstance(gold, FiniteSet) and isinstance(answer, FiniteSet):
        one, other = list(gold), list(answer)
        return any(all(differ(a, b) for b in other) for a in one) or any(all(differ(a, b) for a in one) for b in other)
    if not isinstance(gold, Expr) or not isinstance(answer, Expr):
        return False
    gold, answer = _plain(gold), _plain(answer)
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    if not symbols:
        return _apart(gold, answer, {}, _CONSTANTS_APART) is True and not (_has_float(gold) or _has_float(answer))
    if len(symbols) > _MOST_SYMBOLS:
        return False
    return all(
        _apart(gold, answer, {symbol: _value(str(symbol), point) for symbol in symbols}, _APART) is True
        for point in range(2)
    )


def _plain(formula: Any) -> Any:
    """Unknown functions and derivatives as symbols: two formulas in f(t) are compared whatever f is."""
    from sympy import Derivative, Symbol
    from sympy.core.function import AppliedUndef

    for found in (Derivative, AppliedUndef):
        formula = formula.replace(lambda node, kind=found: isinstance(node, kind), lambda node: Symbol(f"<{node}>"))
    return formula


def _equations_differ(gold: Any, answer: Any) -> bool:
    """Of equations between at least three things: whether one side's excess is no multiple of the other's by a
    constant. Of fewer things an equation is a value, and has other spellings (`x = 5` is 5)."""
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    if not _FEWEST_SYMBOLS <= len(symbols) <= _MOST_SYMBOLS:
        return False
    ratios = []
    for point in range(3):
        values = {symbol: _value(str(symbol), point) for symbol in symbols}
        one, other = _at(gold, values), _at(answer, values)
        if one is None or other is None or other == 0:
            return False
        ratios.append(one / other)
    largest = max(map(abs, ratios))
    return all(abs(ratio - ratios[0]) > _APART * largest for ratio in ratios[1:])


def _has_float(formula: Any) -> bool:
    from sympy import Float

    return bool(formula.has(Float))


def _value(symbol: str, point: int) -> Any:
    """A number between 1/2 and 3/2 that belongs to the symbol: generic, and the same in every process."""
    from sympy import Rational

    return Rational(1, 2) + Rational(int.from_bytes(hashlib.sha256(f"{symbol} {point}".encode()).digest()[:3]), 1 << 24)


def _apart(gold: Any, answer: Any, values: dict[Any, Any], least: float) -> bool | None:
    """Whether the values are further apart than `least` of the larger; None when one of them has no finite value."""
    one, other = _at(gold, values), _at(answer, values)
    if one is None or other is None:
        return None
    return abs(one - other) > least * max(1e-30, abs(one), abs(other))


def _at(formula: Any, values: dict[Any, Any]) -> complex | None:
    """The value, None when it is none or infinite."""
    try:
        value = complex(formula.evalf(_DIGITS, subs=values))
    except (TypeError, ValueError, ArithmeticError, AttributeError, NotImplementedError, RecursionError):
        return None
    return value if cmath.isfinite(value) else None
