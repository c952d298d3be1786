"""A place in a list of tokens: what stands there, and which operator, sign or word, comes next."""

from __future__ import annotations

from sgpo_cli.judging.arithmetic.tokens import Token
from sgpo_cli.judging.arithmetic.words import OPERATOR_WORDS


class Cursor:
    """`tokens[at]` is next; `operators`, `worded` and `units` are those of the expression read so far."""

    def __init__(self, tokens: list[Token], at: int) -> None:
        self.tokens = tokens
        self.at = at
        self.operators = 0
        self.worded = False
        self.units: list[str] = []

    def kind(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].kind if at < len(self.tokens) else "end"

    def text(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""

    def operator(self) -> str:
        """The operator at the cursor, "" for none; a stray `$` before it is a formula's end and is passed over."""
        ahead = 0
        while self.kind(ahead) == "dollar" and ahead < 3:
            ahead += 1
        kind, text = self.kind(ahead), self.text(ahead)
        op = ""
        if kind == "op" and text != "^":
            op = text
        elif kind == "word" and text in OPERATOR_WORDS and self.starts_value(ahead + 1):
            op = OPERATOR_WORDS[text]
        elif kind == "word" and text in ("divided", "multiplied") and self.text(ahead + 1) == "by":
            op = "/" if text == "divided" else "*"
            ahead += 1
        elif kind == "var" and self.is_cross(ahead):
            op = "*"
        if op:
            self.at += ahead
            self.worded = self.worded or kind == "word"
        return op

    def is_cross(self, ahead: int) -> bool:
        """Is this letter x a multiplication sign? Only between two values, and not in `2x(..)`."""
        token = self.tokens[self.at + ahead]
        if token.text not in ("x", "X") or token.math or not self.starts_value(ahead + 1):
            return False
        if self.text(ahead + 1) == "-" and not token.spaced:
            return False  # 3x-5
        return token.glued == (not token.spaced)

    def take(self, op: str) -> None:
        self.at += 1
        self.operators += 1

    def starts_value(self, ahead: int) -> bool:
        while self.kind(ahead) == "dollar":
            ahead += 1
        if self.kind(ahead) == "op" and self.text(ahead) == "-":
            ahead += 1
        return self.kind(ahead) in ("num", "open", "frac", "sqrt") and self.text(ahead) != "{"

    def goes_on(self, at: int) -> bool:
        kind = self.tokens[at].kind if at < len(self.tokens) else "end"
        if kind in ("end", "close", "percent"):
            return True
        here, self.at = self.at, at
        found = self.operator()
        on = bool(found) and self.starts_operand(1)
        self.at = here
        return on

    def starts_operand(self, ahead: int) -> bool:
        return self.starts_value(ahead) or self.kind(ahead) == "var"
