r"""Inequalities in one unknown: chains turned upwards, and ``x<2 \text{ or } x>3`` as ``(-\infty,2)\cup(3,\infty)``."""

from __future__ import annotations

import re

from sgpo_cli.verify.surface import key

_OR = re.compile(r"\\text\{\s?(?:or|and)\s?\}|(?<![A-Za-z\\])or(?![A-Za-z])|\\lor(?![A-Za-z])|\\vee(?![A-Za-z])")
_RELATION = re.compile(r"(<|>|\\le(?![A-Za-z])|\\ge(?![A-Za-z]))")
_TURNED = {">": "<", r"\ge": r"\le"}
_LONGEST = 400


def upwards(text: str) -> list[str] | None:
    """A chain of inequalities from the smallest to the largest, terms and relations in turn; None of anything else."""
    pieces = [key(piece) for piece in _RELATION.split(text)]  # first split: without its blank \le t is another command
    signs = set(pieces[1::2])
    if not signs or any(mark in text for mark in ",;") or not all(pieces[::2]):
        return None
    if signs <= set(_TURNED):
        return [_TURNED.get(piece, piece) for piece in reversed(pieces)]
    return pieces if signs <= set(_TURNED.values()) else None


def as_intervals(text: str) -> str | None:
    r"""Alternatives ("or") that each bound one and the same letter, as a union of intervals; None of anything else."""
    pieces = _OR.split(text)
    if not 2 <= len(pieces) <= 8 or len(text) > _LONGEST or re.search(r"\\text\{\s?and", text):
        return None
    found = [_interval(piece) for piece in pieces]
    letters = {one[0] for one in found if one is not None}
    if None in found or len(letters) != 1:
        return None
    return r" \cup ".join(one[1] for one in found if one is not None)


def _interval(text: str) -> tuple[str, str] | None:
    """(letter, interval) of `x<2`, `2<x`, `1<x<3`."""
    chain = upwards(text)
    if chain is None or len(chain) not in (3, 5):
        return None
    terms, signs = chain[::2], chain[1::2]
    at = 1 if len(terms) == 3 else next((at for at in (0, 1) if re.fullmatch("[a-z]", terms[at])), None)
    if at is None or not re.fullmatch("[a-z]", terms[at]):
        return None
    low = ("(" if signs[at - 1] == "<" else "[") + terms[at - 1] if at > 0 else r"(-\infty"
    high = terms[at + 1] + (")" if signs[at] == "<" else "]") if at + 1 < len(terms) else r"\infty)"
    return terms[at], f"{low},{high}"
