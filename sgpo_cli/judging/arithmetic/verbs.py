"""Equations in words: "3 plus 4 equals 8", "20% of 50 is 15", "half of 30 gives 20", as tokens of signs and numbers.

Only where a calculation stands right before the verb and a number right after it; "x is 5" stays a sentence.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from sgpo_cli.judging.arithmetic.tokens import Token
from sgpo_cli.judging.arithmetic.words import BOUNDARY, MULTIPLES, OF_ANOTHER, OPERATOR_WORDS, SHARES, VERBS

_REACH = 16
_VALUES = frozenset({"num", "frac", "dollar"})


def spell_out(tokens: list[Token]) -> list[Token]:
    """The tokens with shares, multiples and verbs of equality in words replaced by signs and numbers."""
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "word":
            if token.text in ("with", "and", "leaving") and _follows(tokens, at, "a", "remainder"):
                at += 2  # it goes with the quotient before it
                continue
            if _follows(tokens, at, "equal", "to") and token.text in VERBS and _calculates(found):
                found.append(_sign(token, "rel", "="))
                at += 3
                continue
            if token.text in SHARES and _follows(tokens, at, "of") and _is_value(tokens, at + 2):
                top, bottom = SHARES[token.text]
                found += (_number(token, top), _sign(token, "op", "/"), _number(token, bottom))
                at += 1
                continue
            if token.text in MULTIPLES and _is_value(tokens, at + 1):
                found += (_number(token, MULTIPLES[token.text]), _sign(token, "op", "*"))
                at += 1
                continue
            if token.text in VERBS and _is_value(tokens, at + 1) and _calculates(found):
                token = _sign(token, "rel", "=")
        found.append(token)
        at += 1
    return found


def _follows(tokens: list[Token], at: int, *words: str) -> bool:
    return [token.text for token in tokens[at + 1 : at + 1 + len(words)]] == list(words)


def _is_value(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].kind in _VALUES


def _number(token: Token, value: int) -> Token:
    return replace(token, kind="num", text=str(value), value=Fraction(value))


def _sign(token: Token, kind: str, text: str) -> Token:
    return replace(token, kind=kind, text=text)


def _calculates(tokens: list[Token]) -> bool:
    """Do the tokens end in a calculation, in plain text, that no sign claims and that is no end of a list?

    A lone division is a share as often as a quotient ("3/4 is $15") and does not count; "the largest factor of 3 + 5
    is 4" does not speak of the sum.
    """
    calculates = False
    for back in range(1, min(_REACH, len(tokens)) + 1):
        token, at = tokens[-back], len(tokens) - back
        if token.kind in ("break", "comma"):
            # The comma of a list, "7, 8 plus 9 is 24", or of a phrase, "in total, 8 plus 9 is 17".
            return calculates and not (at > 0 and tokens[at - 1].kind == "num")
        if token.kind in ("rel", "bad") or token.math:
            return False
        if token.kind == "stop" or (token.kind == "word" and token.text in BOUNDARY):
            return calculates
        if token.kind == "word" and token.text in OF_ANOTHER and not _is_share(tokens, at - 1):
            return False
        calculates = calculates or _operates(tokens, at)
    return calculates and len(tokens) <= _REACH


def _operates(tokens: list[Token], at: int) -> bool:
    token = tokens[at]
    if at == 0 or at + 1 >= len(tokens) or not _is_value(tokens, at + 1):
        return False
    if token.kind == "op":
        return token.text in "+*" or (token.text == "-" and token.spaced)
    shared = token.text == "of" and _is_share(tokens, at - 1)
    return token.kind == "word" and (token.text in OPERATOR_WORDS or shared)


def _is_share(tokens: list[Token], at: int) -> bool:
    return at >= 0 and tokens[at].kind in ("num", "percent")
