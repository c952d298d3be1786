"""Where the mathematics, code and environments of a text are: one pass, linear in the text's length.

Dollars follow Pandoc's rule, which tells `$x$` from two prices: an opening `$` has a visible character at its right, a
closing one has a visible character at its left and no digit at its right, and a formula never spans a blank line.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

_MARKS = re.compile(
    r"(?P<fence>^[ \t]{0,3}(?:```|~~~))"
    r"|(?P<blank>\n[ \t]*(?=\n))"
    r"|(?P<open>\\[(\[])"
    r"|(?P<close>\\[)\]])"
    r"|(?P<begin>\\begin\{(?P<env>[A-Za-z]{1,20}\*?)\})"
    r"|(?P<end>\\end\{(?P<endenv>[A-Za-z]{1,20}\*?)\})"
    r"|(?P<boxed>\\(?:boxed|fbox|text)\{)"
    r"|(?P<escape>\\.)"
    r"|(?P<display>\$\$)"
    r"|(?P<dollar>\$)"
    r"|(?P<brace>\{)"
    r"|(?P<unbrace>\})",
    re.MULTILINE | re.DOTALL,
)
_PARTNER = {"\\)": "\\(", "\\]": "\\["}


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open span of the text; `kind` is what opened it: `$`, `$$`, `\\(`, `\\[`, `boxed`, `fence`, `env:NAME`."""

    start: int
    end: int
    kind: str

    @property
    def is_math(self) -> bool:
        return self.kind in ("$", "$$", "\\(", "\\[") or self.kind.startswith("env:")


@dataclass(slots=True)
class _Openers:
    """A stack of openers that knows which kinds it holds, so that a stray closer costs nothing."""

    items: list[tuple[str, int]] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    paragraph: int = 0

    def push(self, kind: str, at: int) -> None:
        self.items.append((kind, at))
        self.held[kind] += 1

    def pop(self) -> tuple[str, int]:
        kind, at = self.items.pop()
        self.held[kind] -= 1
        return kind, at

    def close(self, *kinds: str) -> tuple[str, int] | None:
        """The nearest opener of one of these kinds; whatever was opened after it was never closed and is dropped."""
        if not any(self.held[kind] for kind in kinds):
            return None
        while True:
            kind, at = self.pop()
            if kind in kinds:
                return kind, at


def regions(text: str) -> list[Region]:
    """The closed regions of `text`, nested ones included, by start; an opener that is never closed makes none.

    A code fence that is never closed reaches to the end, as in Markdown (a truncated response).
    """
    found: list[Region] = []
    openers = _Openers()
    fence: tuple[str, int] | None = None
    for mark in _MARKS.finditer(text):
        kind, at = mark.lastgroup or "", mark.start()
        if kind == "fence":
            ticks = mark.group().strip()
            if fence is None:
                fence = (ticks, at)
            elif fence[0] == ticks:
                found.append(Region(fence[1], _line_end(text, mark.end()), "fence"))
                fence = None
        elif fence is None:
            _follow(text, mark, kind, openers, found)
    if fence is not None:
        found.append(Region(fence[1], len(text), "fence"))
    return sorted(found, key=lambda region: (region.start, -region.end))


def _follow(text: str, mark: re.Match[str], kind: str, openers: _Openers, found: list[Region]) -> None:
    at, after = mark.start(), mark.end()
    dollar = f"${openers.paragraph}"
    closed: tuple[str, int] | None = None
    if kind == "blank":
        openers.paragraph += 1  # dollars opened before it are of another kind from now on: they never close
    elif kind == "open":
        openers.push(mark.group(), at)
    elif kind == "close":
        closed = openers.close(_PARTNER[mark.group()])
    elif kind == "begin":
        openers.push(f"env:{mark.group('env')}", at)
    elif kind == "end":
        closed = openers.close(f"env:{mark.group('endenv')}")
    elif kind == "boxed":
        openers.push("boxed", at)
    elif kind == "brace":
        openers.push("brace", at)
    elif kind == "unbrace":
        closed = openers.close("boxed", "brace")
    elif kind == "display":
        closed = openers.close("$$")
        if closed is None:
            openers.push("$$", at)
    elif kind == "dollar":
        closes = at > 0 and not text[at - 1].isspace() and not text[after : after + 1].isdigit()
        closed = openers.close(dollar) if closes else None
        if closed is None and text[after : after + 1].strip():
            openers.push(dollar, at)
    if closed is not None and closed[0] != "brace":
        found.append(Region(closed[1], after, "$" if closed[0] == dollar else closed[0]))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
