"""Text to tokens: numbers, letters, words, operators, relations; plain text and LaTeX alike.

One pass with one regular expression whose branches never overlap in more than a bounded prefix, so that the time is
linear in the text whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from sgpo_cli.judging.latex import regions

MAX_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: num, var, word, op (+ - * / ^), open, close, rel (= ~ ?), dollar, percent, frac, sqrt, fact, comma,
    stop (end of a clause), break (end of a line) or bad (something this judge does not understand).

    `glued`: no white space before it; `spaced`: white space after it; `decimals`: printed digits after the point.
    """

    kind: str
    text: str
    glued: bool
    spaced: bool
    math: bool
    value: Fraction = Fraction(0)
    decimals: int = 0


_TOKEN = re.compile(
    r"(?P<space>[ \t\r\f\v\u00a0\u2009\u202f]+)"
    r"|(?P<power>(?<=[\d)])\*\*(?=[\d(-])|(?<=\s)\*\*(?=\s))"
    r"|(?P<bold>\*\*|__)"
    r"|(?P<num>\d+(?:(?:,\\!|,|\{,\}|\\,)\d+)*(?:\.\d+)?|\.\d+)"
    r"|(?P<repeating>(?<=\d)\.(?=\\?[a-z]))"
    r"|(?P<ratio>(?<=\w):(?=\w))"
    r"|(?P<text>\\(?:text|textrm|textbf|textit|mathrm|mathit|mbox|operatorname)\s{0,3}\{(?P<inner>[^{}\n]{0,200})\})"
    r"|(?P<degree>\^\s{0,2}(?:\{\s{0,2}\\circ\s{0,2}\}|\\circ)|°|º)"
    r"|(?P<sub>_(?:\{[^{}\n]{0,30}\}|\w))"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<escape>\\(?:\n|.))"
    r"|(?P<word>[^\W\d_]{2,}(?:[-'’][^\W\d_]+)*|(?<=\d)-[^\W\d_]{2,}(?:-[^\W\d_]+)*)"
    r"|(?P<letter>[^\W\d_](?:'(?!\w)|’(?!\w))?)"
    r"|(?P<line>\n)"
    r"|(?P<dots>\.\.\.|…|⋯)"
    r"|(?P<arrow>=>|->|→|⇒|⟹|—)"
    r"|(?P<rel>==?|:=|<=|>=|(?<![\d)}])!=|≈|≃|∼|≠|≤|≥|<|>|≡)"
    r"|(?P<op>[-+*/^×÷−·∙⋅–∗])"
    r"|(?P<bracket>[()\[\]{}])"
    r"|(?P<other>.)",
    re.MULTILINE,
)

_OPERATORS = {"×": "*", "·": "*", "∙": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-"}
_COMMANDS = {
    **dict.fromkeys(["times", "cdot"], ("op", "*")),
    **dict.fromkeys(["div"], ("op", "/")),
    **dict.fromkeys(["frac", "dfrac", "tfrac", "cfrac"], ("frac", "")),
    **dict.fromkeys(["approx", "simeq", "sim", "thickapprox"], ("rel", "~")),
    **dict.fromkeys(["ne", "neq", "le", "leq", "ge", "geq", "lt", "gt", "leqslant", "geqslant"], ("rel", "?")),
    **dict.fromkeys(["Rightarrow", "implies", "rightarrow", "to", "therefore"], ("stop", "")),
    **dict.fromkeys(["because", "longrightarrow", "iff", "Leftrightarrow", "newline", "hline"], ("stop", "")),
    "sqrt": ("sqrt", ""),
    "pi": ("var", "π"),
}
# Commands that change the look and not the value.
_SILENT = {
    *("left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "textstyle"),
    *("boxed", "fbox", "mathbf", "mathbb", "limits", "underline", "cancel", "bcancel", "color", "large", "Large"),
}


def tokenize(text: str) -> list[Token]:
    """The tokens of one step; white space and mere styling leave none."""
    math = _math_flags(text)
    found: list[Token] = []
    glued = False
    where = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "inner":
            kind = "text"
        raw = match.group()
        if kind in ("space", "bold"):
            glued = glued and kind == "bold"
            continue
        while where < len(math) and math[where][1] <= match.start():
            where += 1
        inside = where < len(math) and math[where][0] <= match.start()
        spaced = text[match.end() : match.end() + 1].isspace()
        token = _token(kind, raw, match, glued=glued, spaced=spaced, math=inside)
        glued = True
        if token is not None:
            if token.kind == "break":
                glued = False
            found.append(token)
    return found


def _math_flags(text: str) -> list[tuple[int, int]]:
    """Disjoint spans of mathematics, in order."""
    spans: list[tuple[int, int]] = []
    if "$" in text or "\\" in text:
        for region in regions(text):
            if region.is_math and (not spans or region.start >= spans[-1][1]):
                spans.append((region.start, region.end))
    return spans


def _token(kind: str, raw: str, match: re.Match[str], *, glued: bool, spaced: bool, math: bool) -> Token | None:
    def make(kind: str, text: str = raw, value: Fraction = Fraction(0), decimals: int = 0) -> Token:
        return Token(kind, text, glued, spaced, math, value, decimals)

    if kind == "num":
        return _number(raw, make("bad"), glued, spaced, math)
    if kind == "word":
        if raw.lower() == "percent":
            return make("percent")
        if raw[0] == "-" and raw[1].isupper():
            return make("bad")  # "60-Losses"
        return make("word", raw.lower() if len(raw) < 60 else "?") if not math else make("var")
    if kind == "letter":
        return make("var")
    if kind == "text":
        return _text(match.group("inner"), make("bad"), glued, spaced, math)
    if kind == "degree":
        return make("word", "degrees")
    if kind == "command":
        name = raw[1:]
        if name in _SILENT:
            return None
        if name in ("quad", "qquad"):
            return make("stop", "quad")
        if name in ("begin", "end"):
            return make("break", "\n")
        known = _COMMANDS.get(name)
        return make(*known) if known else make("bad")
    if kind == "escape":
        return _escape(raw[1:], make("bad"), glued, spaced, math)
    if kind == "line":
        return make("break")
    if kind == "power":
        return make("op", "^")
    if kind == "op":
        return make("op", _OPERATORS.get(raw, raw))
    if kind == "rel":
        return _relation(raw, make("bad"), glued, spaced, math)
    if kind == "bracket":
        return make("open" if raw in "([{" else "close")
    if kind == "arrow":
        return make("stop")
    if kind == "other":
        return _other(raw, make("bad"), glued, spaced, math)
    return make("bad")


def _number(raw: str, bad: Token, glued: bool, spaced: bool, math: bool) -> Token:
    plain = raw.replace("{,}", ",").replace(",\\!", ",").replace("\\,", ",")
    whole, _, decimals = plain.partition(".")
    groups = whole.split(",")
    grouped = len(groups) > 1
    if len(plain) > MAX_DIGITS or (grouped and not _thousands(groups)):
        return bad
    return Token("num", plain, glued, spaced, math, Fraction(plain.replace(",", "")), len(decimals))


def _thousands(groups: list[str]) -> bool:
    return 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])


def _text(inner: str, bad: Token, glued: bool, spaced: bool, math: bool) -> Token | None:
    plain = inner.strip().lower()
    if not plain:
        return None
    if any(mark in plain for mark in "=+*×^") or any(mark.isdigit() for mark in plain):
        return bad
    return Token("word", plain, glued, spaced, math)


def _escape(raw: str, bad: Token, glued: bool, spaced: bool, math: bool) -> Token | None:
    if raw in "()[]":
        return Token("stop", "math", glued, spaced, math) if raw in "[]" else Token("dollar", "", glued, spaced, math)
    if raw == "$":
        return Token("dollar", "$", glued, spaced, math)
    if raw == "%":
        return Token("percent", "%", glued, spaced, math)
    if raw == "\\":
        return Token("break", "\n", glued, spaced, math)
    return None if raw in ",;:! \n" else bad


def _relation(raw: str, bad: Token, glued: bool, spaced: bool, math: bool) -> Token:
    if raw == "≡":
        return bad
    text = "=" if raw in ("=", "==", ":=") else "~" if raw in "≈≃∼" else "?"
    return Token("rel", text, glued, spaced, math)


def _other(raw: str, bad: Token, glued: bool, spaced: bool, math: bool) -> Token | None:
    if raw == "$":
        return Token("dollar", "$", glued, spaced, math)
    if raw in "€£¥₹":
        return Token("dollar", "€", glued, spaced, math)
    if raw == "¢":
        return Token("word", "¢", glued, spaced, math)
    if raw == "%":
        return Token("percent", "%", glued, spaced, math)
    if raw == ",":
        return Token("comma", ",", glued, spaced, math)
    if raw == "~" and math:
        return None  # LaTeX's hard space
    if raw in ".;:?•":
        return Token("stop", raw, glued, spaced, math)
    if raw == "!":
        return Token("fact", "!", glued, spaced, math)
    if raw in "&\"“”'’`#*":
        return None
    return bad
