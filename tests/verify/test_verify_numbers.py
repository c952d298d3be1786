"""Properties of the number rules: exact by default, rounding only when written out, signs and spellings."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sgpo_cli.verify.quick import quick
from sgpo_cli.verify.size import too_large
from sgpo_cli.verify.surface import bracket, canonical, number, split_unit, word

integers = st.integers(-(10**12), 10**12)


@given(integers, integers)
def test_integers_are_equal_only_to_themselves(one, other):
    for spelling in (str(other), f"{other:,}", f"{other}.0", f"\\$ {other}", f"${other}$", f"{other}/1"):
        assert quick(canonical(str(one)), canonical(spelling)) is (one == other)


@given(integers, st.decimals(-(10**6), 10**6, allow_nan=False, places=9))
def test_no_decimal_but_its_own_equals_an_integer(whole, decimal):
    assert quick(str(whole), f"{decimal:f}") is (decimal == whole)


@given(st.integers(-500, 500), st.integers(1, 500), st.integers(1, 12))
def test_a_fraction_takes_its_rounded_and_cut_off_decimals_from_six_digits_on(over, under, places):
    exact = Fraction(over, under)
    with localcontext() as context:
        context.prec = 60
        for rounding in (ROUND_HALF_UP, ROUND_DOWN):
            decimal = (Decimal(over) / Decimal(under)).quantize(Decimal(1).scaleb(-places), rounding=rounding)
            digits = len(f"{abs(decimal):f}".replace(".", "").lstrip("0"))
            expected = digits >= 6 or Fraction(decimal) == exact
            assert quick(f"\\frac{{{over}}}{{{under}}}", f"{decimal:f}") is expected
            off = decimal + 2 * Decimal(1).scaleb(-places)
            assume(Fraction(off) != exact)
            assert quick(f"\\frac{{{over}}}{{{under}}}", f"{off:f}") is False


@given(st.integers(1, 10**6))
def test_percent_is_the_number_or_its_hundredth_and_nothing_else(n):
    assert quick(f"{n}%", str(n)) is True
    assert quick(f"{n}%", f"{Fraction(n, 100)}") is True
    assert quick(str(n), f"{Fraction(n, 100)}") is False
    assert quick(f"{n}%", str(n + 1)) is (n + 1 == Fraction(n, 100))


@pytest.mark.parametrize(
    ("text", "unit"),
    [("12 cm", "cm"), ("12cm", "cm"), ("3 feet", "ft"), (r"5 \text{ inches}", "in"), ("12x", None), ("5 m", "m"),
     ("7 sin x", None), ("12", None), (r"\text{yes}", None), (r"4 \text{ and } 5", None), ("90 mph", "h^-1 mi"),
     (r"x=\text{five}", None), (r"6\text{ cm}^2", "cm^2")],
)  # fmt: skip
def test_units(text, unit):
    found = split_unit(canonical(text))[1]
    assert (found.name if found else None) == unit


def test_surface_pieces():
    shapes = (r"\{1\}", "(1,2)", "[0,1)", "(1)(2)", "1", "(1")
    assert [bracket(shape) for shape in shapes] == [
        "brace", "paren", "mixed", None, None, None,
    ]  # fmt: skip
    assert word(canonical(r"\text{Not Enough}.")) == "not enough"
    assert word("x") is None and word("x+y") is None
    assert number("1,23") is None and number("1/0") is None and number("") is None
    assert number("1.5e3").value == 1500 and number("-.5").value == Fraction(-1, 2)


def test_too_large():
    import sympy

    x = sympy.Symbol("x")
    nine = sympy.Integer(9)
    tower = sympy.Pow(nine, sympy.Pow(nine, nine, evaluate=False), evaluate=False)
    assert too_large(tower) and too_large(sympy.factorial(sympy.Integer(10**9), evaluate=False))
    assert too_large((x + 1) ** 1_000_000)
    assert not too_large(sympy.Integer(2) ** 99_999) and not too_large(x**50 + sympy.sqrt(2)) and not too_large(3)
    assert not too_large(sympy.Integer(7) ** sympy.Rational(-1, 3))
