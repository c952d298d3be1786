"""What the `reference` judge reads: numbers, calculations, final answers and where they are stated."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sgpo_cli.judging.reference.answer import finals, stated_at
from sgpo_cli.judging.reference.quantities import calculations, numbers, quantities
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.verify.pool import Grader


def of(*values: float | str) -> frozenset[Fraction]:
    return frozenset(Fraction(str(value)) for value in values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", of()),
        ("Step 3: She has 4 apples.", of(4)),
        ("12. Then 5.", of(5)),
        ("**Step 2:** 7 of them", of(7)),
        ("12.5 kg", of(12.5)),
        ("$1,234.50 at 20%", of(1234.5, 20)),
        (r"\(\frac{3}{4}\) of \$8", of(3, 4, 8)),
        ("6*7=$<<6*7=42>>42", of(6, 7, 42)),
        ("3 × 4 − 5", of(3, 4, 5)),
        ("no number", of()),
    ],
)
def test_numbers(text: str, expected: frozenset[Fraction]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "values", "operands"),
    [
        ("So 3 * 4 = 12 apples.", of(12), of(3, 4)),
        (r"\[ \frac{28}{4} = 7 \]", of(7), of(28, 4)),
        ("x = 5", of(5), of()),
        ("He owes 5 - 8 = -3 dollars", of(3), of(5, 8)),
        ("25% of 40 = 10", of(10), of(25, 40)),
        ("2 + 2 = 5", of(4, 5), of(2)),
    ],
)
def test_calculations(text: str, values: frozenset[Fraction], operands: frozenset[Fraction]) -> None:
    [calculation] = calculations(text)
    assert (calculation.values, calculation.operands) == (values, operands)


def test_what_is_no_calculation() -> None:
    assert calculations("She has 4 apples; x + y = z, and 3 < 4.") == []
    assert quantities("4 apples") == of(4)


def final(*steps: str, gold: str = "12") -> tuple[str | None, bool | None]:
    with Grader() as grader:
        [found] = finals([Solution("p", steps, "reference", gold)], grader)
    return found.answer, found.right


@pytest.mark.parametrize(
    ("closing", "gold", "expected"),
    [
        ("Therefore, she has 12 apples.", "12", ("12", True)),
        ("Therefore, she has **13** apples.", "12", ("13", False)),
        ("So it costs $1,300.50.", "1300.50", ("1,300.50", True)),
        ("3 * 5 = 15. So she has 15 apples.", "12", ("15", False)),
        ("So after 3 days she has 12.", "12", ("12", True)),
        ("So after 3 days she has 13.", "12", (None, None)),
        ("So after 12 days she has 13.", "12", (None, None)),
        (r"Hence \(x = 12\).", "12", ("12", True)),
        (r"Hence \(x = 13\).", "12", (None, None)),
        ("So she has 13", "12", (None, None)),
        ("She has 13 apples.", "12", (None, None)),
        (r"Therefore it is \(\frac{3}{4}\).", r"\frac{3}{4}", (r"\frac{3}{4}", True)),
        (r"Therefore it is \(\dfrac{3}{4}\).", r"\frac{3}{4}", (r"\frac{3}{4}", True)),
        (r"Therefore it is \(\frac{3}{5}\).", r"\frac{3}{4}", (None, None)),
        ("Thus 3/4 of it is left.", "11/16", (None, None)),
    ],
)
def test_answers_that_are_only_a_closing_sentence(
    closing: str, gold: str, expected: tuple[str | None, bool | None]
) -> None:
    assert final("5 + 7 = 12", closing, gold=gold) == expected


def test_stated_answers() -> None:
    assert final("So 13.", r"\boxed{12}") == ("12", True)
    assert final("#### 13") == ("13", False)


@pytest.mark.parametrize(
    ("steps", "answer", "at"),
    [
        (("7 cats.", "3 * 4 = 12.", "So 12.", "#### 12"), "12", 2),
        (("7 cats.", "3 * 4 = 12.", "#### 12"), "12", 2),
        (("7 cats.", "3 * 4 = 12 #### 12"), "12", 1),
        (("12 cats.", "7 dogs.", r"\boxed{12}"), "12", 2),
        ((r"\boxed{12}", "Check: fine."), "12", 0),
        (("So x + 1.", r"\boxed{x + 1}", "Done."), "x + 1", 1),
        (("7", "So 12."), "12", 1),
    ],
)
def test_the_step_that_states_the_answer(steps: tuple[str, ...], answer: str, at: int) -> None:
    assert stated_at(steps, answer) == at
