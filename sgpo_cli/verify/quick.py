r"""Comparisons that need no computer algebra: most answers of most benchmarks are settled here, in microseconds.

Decisions, each pinned by rows of tests/verify/golden.jsonl:

- Numbers are compared exactly, as fractions: `033` is 33, `1,234` is 1234, `0.5` is 1/2.
- Rounding: a decimal of at least six significant digits equals the exact value that it is, rounded or cut off at its
  last place: 0.333333 and 0.3333333 are 1/3, 0.333 and 0.333334 are not; 2.0000001 is not 2.
- Percent: the sign may be left out or be worked out: 10% is 10 and 0.1. Without any sign 10 is not 0.1.
- `2 1/2` and `2\frac12` are 5/2; `0.\overline{3}` is 1/3; `3 thousand` is 3000.
- Units may be left out; two known and different units (cm, m) differ, and so do two ways (east, west; a.m., p.m.).
- Words that are no unit count: `n \text{ is odd}` is not `n`, and `18 \text{ or more}` not 18.
- `2 \pmod 5` is 7 (mod 5); the modulus may be left out of the same number.
- Words are compared as words, case folded; a choice letter may stand in parentheses or in front of its text.
- Numbers written in bases differ when their bases do; the base may be left out.
- `\{1,2\}` is a set, `(1,2)` a point or interval, `[1,2]` an interval: a set never equals the others.
- An answer (or gold) of over 2000 characters is right only as written: computer algebra would not finish.
"""

from __future__ import annotations

import re
from fractions import Fraction

from sgpo_cli.verify.orders import as_intervals, upwards
from sgpo_cli.verify.surface import Number, bracket, key, number, split_unit, word
from sgpo_cli.verify.units import Unit, changing_words, differ

_SIGNIFICANT = 6
_LONGEST = 2000
_GOLD_LETTER = re.compile(r"\(([A-J])\)|([A-J])")
_LETTER = re.compile(
    r"(?:[Oo]ption |[Cc]hoice )?(?:\(([A-Ja-j])\)(?:[.:,]?\s*+(?![-+*/^=<>]|.*\([A-Ja-j]\)).*)?"
    r"|([A-Ja-j])(?:[.):]+(?:\s.*)?|\s\((?!.\)).*\))?)",
    re.DOTALL,
)
_BASE = re.compile(r"(?P<digits>[0-9A-Z]+) ?_ ?(?:\{ ?(?:\\text\{)?(?P<a>[A-Za-z0-9 ]+)\}? ?\}|(?P<b>\d+))")


_NAMES = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_BASES = {name: str(at) for at, name in enumerate(_NAMES, start=2)}
_RESIDUE = re.compile(r"(?:[a-z] ?\\equiv ?)?(?P<value>-?\d{1,18}) ?(?:\\pmod\{(?P<modulus>\d{1,18})\})?")


def quick(gold: str, answer: str) -> bool | None:
    """Whether two canonical answers are equal, where their surface decides it; None leaves it to math-verify."""
    if key(gold) == key(answer):
        return True
    gold_number, answer_number = number(gold), number(answer)
    if gold_number and answer_number:
        return same_number(gold_number, answer_number)
    (gold_body, gold_unit), (answer_body, answer_unit) = split_unit(gold), split_unit(answer)
    if differ(gold_unit, answer_unit):
        return False
    if key(gold_body) == key(answer_body) and _factor(gold_unit) == _factor(answer_unit):
        return True
    for decide in (_same_residue, _same_base, same_letter, _same_word, _same_bracket, _same_order, _same_wording):
        verdict = decide(gold, answer)
        if verdict is not None:
            return verdict
    return False if max(len(gold), len(answer)) > _LONGEST else None


def same_number(gold: Number, answer: Number) -> bool:
    if differ(gold.unit, answer.unit):
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


def _factor(unit: Unit | None) -> int:
    return unit.factor if unit is not None else 1


def _same_residue(gold: str, answer: str) -> bool | None:
    """`x \\equiv 7 \\pmod{5}` is 2 (mod 5); without a modulus it has to be the same number."""
    wanted, given = _RESIDUE.fullmatch(gold), _RESIDUE.fullmatch(answer)
    if not wanted or not given or not (wanted["modulus"] or given["modulus"]):
        return None
    apart = int(wanted["value"]) - int(given["value"])
    if not (wanted["modulus"] and given["modulus"]):
        return apart == 0
    modulus = int(wanted["modulus"])
    return modulus == int(given["modulus"]) and (apart % modulus == 0 if modulus else apart == 0)


def _same_wording(gold: str, answer: str) -> bool | None:
    """Words that are no unit say something: they have to be the same on both sides."""
    return None if changing_words(gold) == changing_words(answer) else False


def _same_order(gold: str, answer: str) -> bool | None:
    """`3 > x > 1` is `1 < x < 3`, and alternatives are a union of intervals."""
    if (as_intervals(gold) or as_intervals(answer)) and _as_sets(gold) == _as_sets(answer):
        return True
    wanted = upwards(gold)
    return True if wanted is not None and wanted == upwards(answer) else None


def _as_sets(text: str) -> str:
    return key(as_intervals(text) or text)


def _same_base(gold: str, answer: str) -> bool | None:
    """`52_8` and `52_9` differ; a base may be left out."""
    wanted, given = _BASE.fullmatch(gold), _BASE.fullmatch(answer)
    if not wanted or not given:
        return None
    bases = [(found["a"] or found["b"]).strip() for found in (wanted, given)]
    same_base = _BASES.get(bases[0], bases[0]) == _BASES.get(bases[1], bases[1])
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
