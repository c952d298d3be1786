r"""Comparisons that need no computer algebra: most answers of most benchmarks are settled here, in microseconds.

Decisions, each pinned by rows of tests/verify/golden.jsonl:

- Numbers are compared exactly, as fractions: `033` is 33, `1,234` is 1234, `0.5` is 1/2.
- Rounding: a decimal of at least six significant digits equals the exact value that it is, rounded or cut off at its
  last place: 0.333333 and 0.3333333 are 1/3, 0.333 and 0.333334 are not; 2.0000001 is not 2.
- Percent: the sign may be left out or be worked out: 10% is 10 and 0.1. Without any sign 10 is not 0.1.
- Units may be left out; two known and different units (cm, m) differ.
- Words are compared as words, case folded; a choice letter may stand in parentheses or in front of its text.
- Numbers written in bases differ when their bases do; the base may be left out.
- `\{1,2\}` is a set, `(1,2)` a point or interval, `[1,2]` an interval: a set never equals the others.
- An answer (or gold) of over 2000 characters is right only as written: computer algebra would not finish.
"""

from __future__ import annotations

import re
from fractions import Fraction

from sgpo_cli.verify.surface import Number, bracket, key, number, split_unit, units_differ, word

_SIGNIFICANT = 6
_LONGEST = 2000
_GOLD_LETTER = re.compile(r"\(([A-J])\)|([A-J])")
_LETTER = re.compile(
    r"(?:[Oo]ption |[Cc]hoice )?(?:\(([A-Ja-j])\)(?:[.:,]?\s*+(?![-+*/^=<>]|.*\([A-Ja-j]\)).*)?"
    r"|([A-Ja-j])(?:[.):]+(?:\s.*)?)?)",
    re.DOTALL,
)
_BASE = re.compile(r"(?P<digits>[0-9A-Z]+) ?_ ?(?:\{ ?(?:\\text\{)?(?P<a>[A-Za-z0-9 ]+)\}? ?\}|(?P<b>\d+))")


def quick(gold: str, answer: str) -> bool | None:
    """Whether two canonical answers are equal, where their surface decides it; None leaves it to math-verify."""
    if key(gold) == key(answer):
        return True
    gold_number, answer_number = number(gold), number(answer)
    if gold_number and answer_number:
        return same_number(gold_number, answer_number)
    if units_differ(split_unit(gold)[1], split_unit(answer)[1]):
        return False
    for decide in (_same_base, same_letter, _same_word, _same_bracket):
        verdict = decide(gold, answer)
        if verdict is not None:
            return verdict
    return False if max(len(gold), len(answer)) > _LONGEST else None


def same_number(gold: Number, answer: Number) -> bool:
    if units_differ(gold.unit, answer.unit):
        return False
    if near(gold, answer):
        return True
    if gold.percent == answer.percent:
        return False
    scaled = [Number(n.value / 100, n.places + 2, n.digits) if n.percent else n for n in (gold, answer)]
    return near(scaled[0], scaled[1])


def near(one: Number, other: Number) -> bool:
    """Equal, or one is a decimal of six or more significant digits that rounds or cuts off the other."""
    return one.value == other.value or rounds(one, other.value) or rounds(other, one.value)


def rounds(decimal: Number, exact: Fraction) -> bool:
    """Whether `decimal` is written out far enough and is `exact` rounded, or cut off, to its number of places."""
    if decimal.places == 0 or decimal.digits < _SIGNIFICANT:
        return False
    last_place = Fraction(1, 10**decimal.places)
    missing = abs(exact) - abs(decimal.value)
    cut_off = decimal.value * exact > 0 and 0 <= missing < last_place
    return cut_off or abs(decimal.value - exact) <= last_place / 2


def _same_base(gold: str, answer: str) -> bool | None:
    """`52_8` and `52_9` differ; a base may be left out."""
    wanted, given = _BASE.fullmatch(gold), _BASE.fullmatch(answer)
    if not wanted or not given:
        return None
    same_base = (wanted["a"] or wanted["b"]).strip() == (given["a"] or given["b"]).strip()
    return same_base and wanted["digits"].lstrip("0") == given["digits"].lstrip("0")


def same_letter(gold: str, answer: str) -> bool | None:
    """Whether two choices are the same letter; None when one of them is no choice's letter."""
    plain = re.sub(r"\\text\{([^{}]*)\}", r"\1", gold).strip()
    wanted = _GOLD_LETTER.fullmatch(plain)
    given = _LETTER.fullmatch(re.sub(r"\\text\{([^{}]*)\}", r"\1", answer).strip())
    if not wanted or not given:
        return None
    return (wanted[1] or wanted[2]) == (given[1] or given[2]).upper()


def _same_word(gold: str, answer: str) -> bool | None:
    wanted = word(gold)
    if wanted is None:
        return None
    if wanted == word(answer):
        return True
    # Bare letters may be a product (ab = ba): only a gold marked as text is settled here.
    return False if gold.startswith(r"\text{") else None


def _same_bracket(gold: str, answer: str) -> bool | None:
    kinds = {bracket(gold), bracket(answer)}
    if "brace" in kinds and kinds & {"paren", "bracket", "mixed"}:
        return False
    return None
