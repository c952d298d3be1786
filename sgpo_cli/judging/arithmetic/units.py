"""Words after a number, read as its unit: "3 red apples", "60 km/h", "8 pounds (math and science)"."""

from __future__ import annotations

from sgpo_cli.judging.arithmetic.cursor import Cursor
from sgpo_cli.judging.arithmetic.nodes import NotArithmetic
from sgpo_cli.judging.arithmetic.tokens import Token
from sgpo_cli.judging.arithmetic.words import ASIDE, GLUED_UNITS, OPERATOR_WORDS, POWER_WORDS, SHORT_UNITS, UNIT_LETTERS

MAX_UNIT_WORDS = 8


class UnitReader(Cursor):
    """Passes over what names the thing counted, and remembers it."""

    def unit(self) -> None:
        """Passes over the unit words after a value, when what follows them goes on with, or ends, the expression."""
        at, words = self.at, 0
        units: list[str] = []
        aside = False
        while at < len(self.tokens) and words <= MAX_UNIT_WORDS:
            token = self.tokens[at]
            following = self.tokens[at + 1].kind if at + 1 < len(self.tokens) else "end"
            if token.kind == "word" and token.text not in OPERATOR_WORDS and token.text != "divided":
                if not self.is_unit(at) or token.text in POWER_WORDS:
                    raise NotArithmetic("letters that may be algebra, or a power in words")
                aside = aside or token.text in ASIDE
                if not aside:
                    units.append(token.text)
            elif following == "word" and self.joins_words(token, first=words == 0):
                pass
            elif token.kind == "open" and token.text == "(" and (end := self.remark_end(at)):
                at = end
            elif token.kind == "word" and token.text == "times" and following in ("word", "var"):
                units.append(token.text)
            elif length := self.rate(at, after_unit=words > 0):
                units.append(self.tokens[at + length - 1].text)
                at += length - 1
            else:
                break
            at += 1
            words += 1
        if not words:
            return
        if self.goes_on(at):
            self.at = at
            self.units.extend(units)
        elif units:
            self.units.append(units[0])

    def is_unit(self, at: int) -> bool:
        token = self.tokens[at]
        if at and self.tokens[at - 1].kind == "num" and token.glued:
            return token.text in GLUED_UNITS or token.text.startswith("-")
        return len(token.text) > 2 or token.text in SHORT_UNITS or token.text == "¢"

    def rate(self, at: int, *, after_unit: bool) -> int:
        """The tokens of a unit in single letters, the "m/s" of "5 m/s" or the "/h" of "60 km/h"; 0 when it is none."""
        start = at
        if not after_unit:
            if self.tokens[at].kind != "var" or self.tokens[at].text not in UNIT_LETTERS:
                return 0
            at += 1
        stroke, below = self.tokens[at : at + 1], self.tokens[at + 1 : at + 2]
        if not stroke or not below or stroke[0].text != "/" or not (stroke[0].glued and below[0].glued):
            return 0
        after = self.tokens[at + 2 : at + 3]
        if below[0].kind != "var" or below[0].text not in UNIT_LETTERS or (after and after[0].text in ("^", "(")):
            return 0
        return at + 2 - start

    def joins_words(self, token: Token, *, first: bool) -> bool:
        """The stroke of "km/h", the hyphen of "half-time", the article of "3 a day", a formula's end."""
        if token.kind == "dollar":
            return first
        if token.kind == "op":
            return token.text in "/-"
        return token.kind == "var" and token.text == "a" and not token.math

    def remark_end(self, at: int) -> int:
        """The closing bracket of a remark like `(math and science)`, 0 when it holds anything but words."""
        for end in range(at + 1, min(at + 12, len(self.tokens))):
            if self.tokens[end].kind == "close":
                if end > at + 1 and self.tokens[at].glued and self.tokens[at - 1].kind in ("num", "close"):
                    raise NotArithmetic("a factor in words")
                return end if end > at + 1 else 0
            if self.tokens[end].kind not in ("word", "comma"):
                return 0
        return 0
