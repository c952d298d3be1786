"""Tokens to an expression: recursive descent over a list of tokens, with words after a number read as its unit.

    sum     := product (('+' | '-') product)*
    product := signed (('*' | '/' | 'of' | nothing) signed)*
    signed  := ('-' | '+')* power
    power   := value ('^' signed)?
    value   := number | mixed number | letter | '(' sum ')' | frac sum sum | sqrt sum, then '%', '!' and unit words

What cannot be understood raises `NotArithmetic`, which ends in "not judged". Nothing is evaluated here.
"""

from __future__ import annotations

from fractions import Fraction

from sgpo_cli.judging.arithmetic.nodes import Binary, Expression, Letter, Node, NotArithmetic, Number, Unary
from sgpo_cli.judging.arithmetic.tokens import Token
from sgpo_cli.judging.arithmetic.units import UnitReader

MAX_DEPTH = 40


def parse_at(tokens: list[Token], start: int) -> Expression:
    """The longest expression that begins at `start`; raises `NotArithmetic`."""
    parser = _Parser(tokens, start)
    node = parser.sum(0)
    return Expression(node, start, parser.at, parser.operators, tuple(parser.units), parser.worded)


class _Parser(UnitReader):
    def sum(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise NotArithmetic("nested too deeply")
        node = self.product(depth)
        while (op := self.operator()) in ("+", "-"):
            self.take(op)
            node = Binary(op, node, self.product(depth))
        return node

    def product(self, depth: int) -> Node:
        node = self.signed(depth)
        divided = False
        while True:
            op = self.operator()
            if op in ("*", "/"):
                self.take(op)
                if op == "/" and self.is_proper_fraction():
                    raise NotArithmetic("a / b/c is read both ways")
                divided = divided or op == "/"
                node = Binary(op, node, self.signed(depth))
            elif self.text() == "of" and _is_share(node) and self.starts_value(1):
                self.take("*")
                self.worded = True
                node = Binary("*", node, self.signed(depth))
            elif self.juxtaposed(node):
                if divided:
                    raise NotArithmetic("a/b(c) is read both ways")
                self.operators += 1
                node = Binary("*", node, self.power(depth))
            else:
                return node

    def signed(self, depth: int) -> Node:
        negative = False
        for _ in range(MAX_DEPTH):
            if self.kind() == "dollar":
                self.at += 1
            elif self.kind() == "op" and self.text() in "+-":
                negative ^= self.text() == "-"
                self.at += 1
            else:
                break
        node = self.power(depth)
        return Unary("neg", node) if negative else node

    def power(self, depth: int) -> Node:
        base = self.value(depth)
        if self.kind() != "op" or self.text() != "^":
            return base
        if depth > MAX_DEPTH:
            raise NotArithmetic("nested too deeply")
        self.take("^")
        exponent = self.signed(depth + 1)
        self.unit()
        return Binary("^", base, exponent)

    def value(self, depth: int) -> Node:
        kind = self.kind()
        if kind == "num":
            node = self.number()
        elif kind == "var":
            node = self.letter()
        elif kind == "open":
            node = self.bracket(depth)
        elif kind == "frac":
            self.at += 1
            self.operators += 1
            node = self.two_digits() or Binary("/", self.argument(depth), self.argument(depth))
        elif kind == "sqrt":
            self.at += 1
            self.operators += 1
            if self.text() == "[":
                raise NotArithmetic("a higher root")
            node = Unary("sqrt", self.argument(depth))
        else:
            raise NotArithmetic(f"no value at {self.text()!r}")
        while self.kind() in ("percent", "fact"):
            node = Unary("percent" if self.kind() == "percent" else "fact", node)
            self.at += 1
        self.unit()
        return node

    def number(self) -> Node:
        token = self.tokens[self.at]
        self.at += 1
        if token.text.startswith("0") and len(token.text) > 1 and token.decimals == 0:
            raise NotArithmetic("a code, not a number")
        node: Node = Number(token.value, token.decimals, token.text)
        if self.at > 1 and self.tokens[self.at - 2].kind == "dollar":
            self.units.append(self.tokens[self.at - 2].text)
        if token.decimals == 0:
            part = self.proper_fraction()
            if part is not None:
                node = Binary("+", node, part)
        return node

    def proper_fraction(self) -> Node | None:
        """The fraction of a mixed number, "2 1/2" or "2\\frac{1}{2}"."""
        if self.kind() == "num" and self.text(1) == "/" and self.kind(2) == "num" and self.kind(3) != "num":
            top, bottom = self.tokens[self.at], self.tokens[self.at + 2]
            if not (top.decimals or bottom.decimals) and 0 < top.value < bottom.value and not top.spaced:
                self.at += 3
                return Binary("/", *(Number(t.value, 0, t.text) for t in (top, bottom)))
        elif self.kind() == "frac" and self.kind(1) == "open" and self.kind(2) == "num" and self.kind(5) == "num":
            top, bottom = self.tokens[self.at + 2], self.tokens[self.at + 5]
            closed = self.kind(3) == "close" and self.kind(4) == "open" and self.kind(6) == "close"
            if closed and 0 < top.value < bottom.value:
                self.at += 7
                return Binary("/", *(Number(t.value, t.decimals, t.text) for t in (top, bottom)))
        return None

    def is_proper_fraction(self) -> bool:
        top, bottom = self.tokens[self.at : self.at + 1], self.tokens[self.at + 2 : self.at + 3]
        if self.kind() != "num" or self.text(1) != "/" or self.kind(2) != "num":
            return False
        return not top[0].decimals and not bottom[0].decimals and top[0].value < bottom[0].value

    def letter(self) -> Node:
        name = self.text()
        self.at += 1
        if self.kind() == "sub":
            name += self.text()
            self.at += 1
        if self.text() == "(" and self.tokens[self.at].glued:
            raise NotArithmetic("a function's value")
        return Letter(name)

    def bracket(self, depth: int) -> Node:
        closing = {"(": ")", "[": "]", "{": "}"}[self.text()]
        self.at += 1
        node = self.sum(depth + 1)
        while self.kind() == "dollar":
            self.at += 1
        if self.text() != closing:
            raise NotArithmetic("an unclosed bracket")
        self.at += 1
        return node

    def two_digits(self) -> Node | None:
        """The fraction of `\\frac12`, whose arguments are one token."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None or token.kind != "num" or len(token.text) != 2 or not token.text.isdigit():
            return None
        self.at += 1
        return Binary("/", *(Number(Fraction(digit), 0, digit) for digit in token.text))

    def argument(self, depth: int) -> Node:
        """A braced argument, or as in `\\frac1{2}` a digit."""
        if self.text() == "{":
            return self.bracket(depth)
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None or token.kind != "num" or len(token.text) != 1:
            raise NotArithmetic("an argument without braces")
        self.at += 1
        return Number(token.value, 0, token.text)

    def juxtaposed(self, node: Node) -> bool:
        """Two values side by side that multiply: `2(3)`, `(2)(3)`, `2x`, `2\\frac13`; never across a space in text."""
        if self.at == 0 or self.at >= len(self.tokens):
            return False
        before, token = self.tokens[self.at - 1], self.tokens[self.at]
        if token.kind == "open" and token.text == "(" and before.kind in ("num", "close"):
            return token.glued or token.math
        if token.kind in ("frac", "sqrt"):
            return before.kind in ("num", "close")
        if token.kind == "var":
            return before.kind in ("num", "close", "var", "sub") and (token.glued or token.math or before.kind == "num")
        return False


def _is_share(node: Node) -> bool:
    """A percentage or a fraction: what "of" multiplies by."""
    if isinstance(node, Unary):
        return node.op == "percent"
    return isinstance(node, Binary) and node.op == "/" and isinstance(node.left, Number)
