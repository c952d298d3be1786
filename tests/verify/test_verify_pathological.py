"""Formulas made to hang or crash computer algebra: none hangs, none is right, and the next pair is graded."""

from __future__ import annotations

import time

import pytest

from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.pool import Grader

FORMULAS = [
    "9^{9^{9^9}}", "9^{9^{9^{9^{9^9}}}}", "(10^9)!", "((3!)!)!^{((3!)!)!}", "x^{10^{10}} + 1", "(x+1)^{100000}",
    "\\frac{1}{" * 300 + "1" + "}" * 300, "{" * 2000, "\\sqrt{" * 500 + "2" + "}" * 500, "1+" * 20000 + "1",
    "\\frac{" * 1000, "x" * 100_000, "\\left(" * 3000, "1" * 100_000, "\\begin{pmatrix}" + "1&" * 5000,
    "\\text{" * 400 + "}" * 400, "a_{b_{c_{d_{" * 50, "$" * 5000, "\\pm" * 3000, "1," * 20_000,
]  # fmt: skip
ENDLESS = ["\\sum_{n=1}^{10^{12}} n^{n}", "\\prod_{n=1}^{10^9} n", "\\int_0^{10^9} e^{e^{x^2}} dx"]


def pairs(formula: str) -> list[GradeItem]:
    box = f"So \\boxed{{{formula}}}"
    return [GradeItem(box, "12"), GradeItem(box, "1, 2", several=True), GradeItem("\\boxed{12}", formula)]


def test_none_of_them_hangs_or_is_right() -> None:
    began = time.monotonic()
    with Grader(workers=2, timeout=4.0) as grader:
        grades = grader.grade_many([item for formula in FORMULAS for item in pairs(formula)])
        assert grader.grade_many([GradeItem("\\boxed{\\frac{2\\sqrt{2}}{2}}", "\\sqrt{2}")])[0].outcome == 1
    assert len(grades) == 60 and all(grade.outcome != 1 for grade in grades)
    assert time.monotonic() - began < 120


@pytest.mark.slow
def test_what_never_ends_is_a_timeout_of_its_own() -> None:
    with Grader(workers=2, timeout=1.0) as grader:
        grades = grader.grade_many([pairs(formula)[0] for formula in ENDLESS])
        assert {grade.reason for grade in grades} <= {"timeout", "mismatch"}
        assert grader.grade_many([GradeItem("\\boxed{\\frac{2\\sqrt{2}}{2}}", "\\sqrt{2}")])[0].outcome == 1
