"""Where in a step equations are stated: chains `a = b = c` of sides, cut out of the prose around them.

A text is cut into clauses at punctuation, line ends and words like "and", "so", "where"; a clause with a relation sign
is a chain. Each side is read once from left to right into its expressions: the one that begins a side is what the sign
at its left speaks of, the one that ends it is what the sign at its right speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sgpo_cli.judging.arithmetic.nodes import Expression, Letter, NotArithmetic
from sgpo_cli.judging.arithmetic.parse import parse_at
from sgpo_cli.judging.arithmetic.tokens import Token, tokenize
from sgpo_cli.judging.arithmetic.verbs import spell_out
from sgpo_cli.judging.arithmetic.words import APPROXIMATELY, BOUNDARY

MAX_SIDE = 400
_BEGINS = frozenset({"num", "var", "open", "frac", "sqrt", "dollar"})
_FREE_BEFORE = frozenset({"word", "dollar"})


@dataclass(slots=True)
class Side:
    """One side of a chain. `first` begins it and `last` ends it (the same object when it is nothing else)."""

    tokens: list[Token]
    first: Expression | None = None
    last: Expression | None = None


@dataclass(slots=True)
class Chain:
    """`sides[i] relations[i] sides[i + 1]`; `words` are those of its sentence."""

    sides: list[Side]
    relations: list[str]
    words: set[str] = field(default_factory=set)
    before: str = ""


def chains_of(text: str) -> Iterator[Chain]:
    """The chains that a step states, in order."""
    sentence: list[Chain] = []
    words: set[str] = set()
    for clause, ends, before in _clauses(_tidy(_open_brackets(spell_out(tokenize(text))))):
        words.add(before)
        words.update(token.text for token in clause if token.kind == "word")
        if any(token.kind == "rel" for token in clause):
            chain = _chain(clause)
            chain.words, chain.before = words, before
            sentence.append(chain)
        if ends:
            yield from sentence
            sentence, words = [], set()
    yield from sentence


def _open_brackets(tokens: list[Token]) -> list[Token]:
    """Brackets around a whole equation, and brackets without a partner, become clause ends."""
    porous: set[int] = set()
    opened: list[int] = []
    holds: list[bool] = []
    for at, token in enumerate(tokens):
        if token.kind == "open":
            opened.append(at)
            holds.append(False)
        elif token.kind == "close":
            if not opened:
                porous.add(at)
                continue
            start, held = opened.pop(), holds.pop()
            if held:
                porous.update((start, at))
                if holds:
                    holds[-1] = True
        elif holds and token.kind in ("rel", "stop"):
            holds[-1] = True
    porous.update(opened)
    if not porous:
        return tokens
    return [replace(token, kind="stop", text="(") if at in porous else token for at, token in enumerate(tokens)]


def _tidy(tokens: list[Token]) -> list[Token]:
    """Takes out the "and" of mixed numbers, "16 and 2/3", and the white space before a line that goes on."""
    return [token for at, token in enumerate(tokens) if not (_is_mixed(tokens, at) or _is_indent(tokens, at))]


def _is_indent(tokens: list[Token], at: int) -> bool:
    follows = tokens[at + 1].kind if at + 1 < len(tokens) else "stop"
    return tokens[at].text == "quad" and tokens[at].kind == "stop" and follows in ("op", "rel", "stop")


def _is_mixed(tokens: list[Token], at: int) -> bool:
    """An "and" between a whole number and a fraction, with at most a bracket or a currency sign before it?"""
    if tokens[at].text != "and" or tokens[at].kind != "word":
        return False
    if at == 0 or tokens[at - 1].kind != "num" or tokens[at - 1].decimals:
        return False
    after = [token for token in tokens[at + 1 : at + 5] if token.kind not in ("open", "dollar")]
    if len(after) < 3 or after[0].kind != "num" or after[1].text != "/" or after[2].kind != "num":
        return bool(after) and after[0].kind == "frac"
    return after[0].value < after[2].value


def _clauses(tokens: list[Token]) -> Iterator[tuple[list[Token], bool, str]]:
    """Clauses, whether the sentence ends with it, and what stood before it."""
    clause: list[Token] = []
    depth = 0
    before = ""
    fresh = True
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.kind == "open":
            depth += 1
        elif token.kind == "close":
            depth -= 1
        if fresh and token.kind == "op" and token.text in "-*+" and token.spaced and not token.math:
            continue  # a bullet
        fresh = token.kind == "break" or (fresh and token.kind == "stop")
        if token.kind == "break" and (depth or _continues(clause, following)):
            fresh = False
            continue
        cut = depth == 0 and (
            token.kind in ("stop", "break", "comma") or (token.kind == "word" and token.text in BOUNDARY)
        )
        if cut:
            yield clause, token.kind == "break" or token.text in (".", "?"), before
            clause, before = [], token.text
        else:
            clause.append(token)
    yield clause, True, before


def _continues(clause: list[Token], following: Token | None) -> bool:
    """Does an equation go on over a line end?"""
    if clause and (clause[-1].kind == "rel" or (clause[-1].kind == "op" and len(clause) > 1)):
        return True
    if following is None:
        return False
    bullet = following.kind == "op" and not following.math and following.text in "-*"
    return following.kind == "rel" or (following.kind == "op" and not bullet)


def _chain(clause: list[Token]) -> Chain:
    sides: list[list[Token]] = [[]]
    relations: list[str] = []
    for token in clause:
        if token.kind == "rel":
            relations.append(token.text)
            sides.append([])
        else:
            sides[-1].append(token)
    return Chain([_read(side) for side in sides], relations)


def _read(tokens: list[Token]) -> Side:
    side = Side(tokens)
    if len(tokens) > MAX_SIDE:
        return side
    at = 0
    while at < len(tokens) and (tokens[at].kind == "word" and tokens[at].text in APPROXIMATELY):
        at += 1
    first = at
    stated = False
    while at < len(tokens):
        if not _may_begin(tokens, at, first):
            at += 1
            continue
        try:
            found = parse_at(tokens, at)
        except NotArithmetic:
            at += 1
            continue
        if at == first and _is_whole(tokens, found.end):
            side.first = found
        if all(token.kind == "dollar" for token in tokens[found.end :]):
            bare = found.operators == 0 and at > 0 and not isinstance(found.node, Letter)
            # "20 + 10 cups to the 29 + 24 cups = 83": which of the two is meant?
            side.last = None if bare or (stated and found.operators) else found
        stated = stated or found.operators > 0
        at = max(found.end, at + 1)
    return side


def _may_begin(tokens: list[Token], at: int, first: int) -> bool:
    token = tokens[at]
    sign = token.kind == "op" and token.text in "+-"
    if token.kind not in _BEGINS and not sign:
        return False
    if at == first:
        return token.text != "+" or not sign  # "+ 3 = 7" goes on with something that was lost
    before = tokens[at - 1]
    if before.kind not in _FREE_BEFORE or (before.kind == "dollar" and at >= 2 and tokens[at - 2].kind != "word"):
        return False
    if token.kind == "open" and token.glued and before.kind == "word":
        return False  # floor(..)
    # "price - 5" takes something unknown away; "price -5" may state a negative number.
    return not sign or (not token.glued and not token.spaced)


def _is_whole(tokens: list[Token], end: int) -> bool:
    """Is what begins a side complete at `end`? Not when an operator with something unreadable follows."""
    at = end
    while at < len(tokens) and (
        tokens[at].kind in ("word", "dollar") or (tokens[at].text in ("a", "I") and not tokens[at].math)
    ):
        at += 1
    if at == len(tokens):
        return True
    token = tokens[at]
    if at == end or all(before.kind == "dollar" for before in tokens[end:at]):
        return False
    return token.kind not in ("op", "bad", "rel", "sub", "fact", "close")
