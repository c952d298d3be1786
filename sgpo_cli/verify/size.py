r"""How large the numbers in a parsed formula would be when worked out, found without working them out.

Computer algebra evaluates ``9^{9^{9^9}}`` or ``(10^9)!`` until it is killed; a policy must not escape its grade that
way. A formula whose numbers have more than a million digits equals another only as written.
"""

from __future__ import annotations

import math
from typing import Any

_MAX_LOG10 = 1e6
_MAX_EXPONENT = 1e5


def too_large(formula: Any) -> bool:
    """Whether a parsed formula (a sympy object) holds a number of over a million digits or an exponent over 10^5."""
    from sympy import Basic

    if not isinstance(formula, Basic):
        return False
    return _log10(formula) > _MAX_LOG10


def _log10(node: Any) -> float:
    """An estimate of the decimal logarithm of the largest number in `node`, from above; infinite beyond the limits."""
    from sympy import Mul, Number, Pow, factorial

    if isinstance(node, Number):
        return _log10_number(node)
    parts = [_log10(part) for part in node.args]
    if any(part > _MAX_LOG10 for part in parts):
        return math.inf
    if isinstance(node, Pow):
        base, exponent = parts
        if exponent > math.log10(_MAX_EXPONENT):
            return math.inf
        # The exponent may be any formula: its size bounds the power's. log10 of a base up to 10 counts as 1.
        return max(base, 1.0) * 10**exponent
    if isinstance(node, factorial):
        digits = 10 ** parts[0] * max(parts[0], 1.0) if parts[0] < 7 else math.inf
        return digits if digits <= _MAX_LOG10 else math.inf
    if isinstance(node, Mul):
        return sum(parts)
    return max(parts, default=0.0) + (math.log10(len(parts)) if parts else 0.0)


def _log10_number(number: Any) -> float:
    """log10(|p| * q) of a rational p/q, at least 0; 0 for anything else (floats are small or stay symbolic)."""
    if number.is_Rational and number != 0:
        return (abs(int(number.p)).bit_length() + int(number.q).bit_length()) * math.log10(2)
    return 0.0
