"""Reading expressions: what is parsed, what it is worth, and what is refused."""

from __future__ import annotations

from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.judging.arithmetic.equations import chains_of
from sgpo_cli.judging.arithmetic.evaluate import Amount, Unknown, evaluate
from sgpo_cli.judging.arithmetic.nodes import NotArithmetic
from sgpo_cli.judging.arithmetic.parse import parse_at
from sgpo_cli.judging.arithmetic.tokens import tokenize


def worth(text: str) -> F:
    tokens = tokenize(text)
    found = parse_at(tokens, 0)
    assert found.end == len(tokens), f"{text}: read up to {found.end} of {len(tokens)}"
    return evaluate(found.node, {"A": Amount(F(7)), "B": Amount(F(-2))}).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", F(14)),
        ("(2 + 3) * 4", F(20)),
        ("7 - -1 + -4", F(4)),
        ("-3 - 4 - 5", F(-12)),
        ("100 / 10 / 2", F(5)),
        ("2 ^ 3 ^ 2", F(512)),
        ("-2^2", F(-4)),
        ("2**3", F(8)),
        ("6 × 7 ÷ 2 − 1", F(20)),
        ("5 x 4", F(20)),
        ("5x4", F(20)),
        ("$1,234.50 + $0.50", F(1235)),
        ("50% * 80", F(40)),
        ("1/4 of 80", F(20)),
        ("2 1/2 + 1/2", F(3)),
        ("2\\frac{1}{2} \\times 4", F(10)),
        ("\\frac{3}{4} \\cdot 8", F(6)),
        ("\\frac12 + \\dfrac{1}{2}", F(1)),
        ("\\sqrt{49} + \\sqrt{2 + 2}", F(9)),
        ("\\left(3 + 4\\right) \\div 7", F(1)),
        ("15 + 2(10)", F(35)),
        ("(2)(3)", F(6)),
        ("5!", F(120)),
        ("1{,}000 + 1", F(1001)),
        ("200 km/day * 4 days", F(800)),
        ("340 meters * $194/meter", F(65960)),
        ("8 pounds (math and science) + 4 pounds (French)", F(12)),
        ("240 square feet per bedroom + 1200 square feet for the living room + 1000", F(2440)),
        ("8 \\text{ pounds} + 4 \\text{ pounds}", F(12)),
        ("3 plus 4 times 2", F(11)),
        ("10 divided by 4", F(5, 2)),
        ("A * B + 3A", F(7)),
        ("3 cups a day * 2", F(6)),
    ],
)
def test_values(text: str, value: F) -> None:
    assert worth(text) == value


@pytest.mark.parametrize(
    "text",
    ["1,23 + 4", "f(3)", "\\sin 3", "\\pmod 5", "5 * apples", "(1, 2)", "8:30", "1/2(3)", "007", "2 +", "\\log 5", ""],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    tokens = tokenize(text)
    try:
        found = parse_at(tokens, 0)
    except NotArithmetic:
        return
    assert found.end < len(tokens)


@pytest.mark.parametrize("text", ["9^9^9", "1/0", "x + 1", "2^0.5", "99999!", "0^0"])
def test_what_has_no_value(text: str) -> None:
    with pytest.raises(Unknown):
        worth(text)


EXPRESSIONS = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=25,
)


@given(EXPRESSIONS)
def test_agrees_with_python(text: str) -> None:
    # The text was made here, of digits, + - * and brackets only.
    assert worth(text) == eval(text)


@given(st.text(alphabet="0123456789+-*/=^()[]{}$%., \n\\xAabfractimesdiv<>!_≈×'", max_size=80))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for chain in chains_of(text):
        assert len(chain.sides) == len(chain.relations) + 1
