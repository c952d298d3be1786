r"""Equality of two formulas by math-verify, as a pure function for the main thread of a worker process.

math-verify is given one answer at a time, boxed, and never a whole response: its own search turns
``\boxed{11} ... \boxed{12}`` into the set {11, 12}. Its timeouts are off (they use SIGALRM, process-wide, and raise
off the main thread): the pool kills the process instead. Its unit stripping is off too: it reads `3c` as 3.

Intervals and inequalities count as equal in both directions (`0 \le x < 1` is `[0,1)`), `x = 5` is 5, the names of
variables matter. Gold comes first: the library's comparison is not symmetric.
"""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sgpo_cli.verify.numeric import differ
from sgpo_cli.verify.orders import as_intervals
from sgpo_cli.verify.quick import rounds
from sgpo_cli.verify.size import too_large
from sgpo_cli.verify.surface import Number, number, split_unit

if TYPE_CHECKING:
    from math_verify import LatexExtractionConfig

_FUNCTIONS = re.compile(r"(?<![\\A-Za-z])(arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|log|ln|pi)(?![A-Za-z])")


_SUBSCRIPT = re.compile(
    r"\\[A-Za-z]+|(?P<letter>[A-Za-z])\s*_\s*"
    r"(?P<sub>\{(?:[^{}]|\{[^{}]*\})*\}|[A-Za-z0-9]|\\[A-Za-z]+)"
)


def _plain_subscript(found: re.Match[str]) -> str:
    """`E_{1}` as a name that the parser keeps whole: it reads E as Euler's number and forgets what stands below."""
    if found["letter"] is None:
        return found.group()
    below = found["sub"].replace("+", "plus").replace("-", "minus")
    return f" q_{{{found['letter']}{re.sub(r'[^A-Za-z0-9]', '', below)}}}"


_LETTER = re.compile(r"\\[A-Za-z]+|(?P<letter>[A-Za-z])(?!\s*_)")


def _capitals_kept(gold: str, answer: str) -> tuple[str, str]:
    """The library reads N as n. Where the gold has both, the capital gets a name of its own on both sides."""
    there = {found["letter"] for found in _LETTER.finditer(gold)}
    both = {letter for letter in there if letter and letter.isupper() and letter.lower() in there}
    if not both:
        return gold, answer

    def rename(found: re.Match[str]) -> str:
        return f" q_{{{found['letter']}cap}}" if found["letter"] in both else found.group()

    return _LETTER.sub(rename, gold), _LETTER.sub(rename, answer)


def equal(gold: str, answer: str) -> bool | None:
    """Whether two canonical answers are the same mathematics; None when the gold cannot be read."""
    gold, answer = _capitals_kept(gold, answer)
    wanted = parse_gold(gold)
    if not wanted:
        return None
    given = _parse(answer)
    if not given or any(too_large(formula) for formula in (*wanted, *given)):
        return False
    decimal = _settled_by_digits(gold, answer, wanted, given)
    if decimal is not None:
        return decimal
    if len(wanted) == len(given) == 1 and differ(wanted[0], given[0]):
        return False
    from math_verify import verify

    return bool(verify(list(wanted), given, allow_set_relation_comp=True, timeout_seconds=None))


@lru_cache(maxsize=4096)
def parse_gold(gold: str) -> tuple[Any, ...]:
    """The parsed gold (sympy objects), kept: parsing is most of the cost and golds come back."""
    return tuple(_parse(gold))


def _parse(answer: str) -> list[Any]:
    from math_verify import parse

    body, unit = split_unit(as_intervals(answer) or answer)
    text = _FUNCTIONS.sub(r"\\\1 ", body.replace("**", "^").replace("$", " "))
    if unit is not None and unit.factor != 1:
        text = rf"{unit.factor} \cdot ({text})"
    text = _SUBSCRIPT.sub(_plain_subscript, text)
    return list(
        parse(rf"\boxed{{{text}}}", extraction_config=[_config()], fallback_mode="no_fallback", parsing_timeout=None)
    )


@lru_cache(maxsize=1)
def _config() -> LatexExtractionConfig:
    from latex2sympy2_extended import NormalizationConfig
    from math_verify import LatexExtractionConfig

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its timeouts are off
    return LatexExtractionConfig(
        boxed_match_priority=0,
        normalization_config=NormalizationConfig(
            basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="last", equations=False
        ),
    )


def _settled_by_digits(gold: str, answer: str, wanted: tuple[Any, ...], given: list[Any]) -> bool | None:
    """Our rounding rule (see quick.py) where one side is a decimal and the other a real constant; else None."""
    for decimal, other in ((number(gold), given[0]), (number(answer), wanted[0])):
        if decimal is None or decimal.places == 0 or decimal.percent:
            continue
        exact = _real(other, decimal)
        if exact is not None:
            return exact == decimal.value or rounds(decimal, exact)
    return None


def _real(value: Any, decimal: Number) -> Fraction | None:
    """A real constant to twenty digits more than `decimal` has; None when `value` is not one."""
    from sympy import Expr, Float

    if not isinstance(value, Expr) or value.has(Float) or value.free_symbols:
        return None
    digits = value.evalf(decimal.places + decimal.digits + 20)
    return Fraction(str(digits)) if isinstance(digits, Float) and digits.is_finite else None
