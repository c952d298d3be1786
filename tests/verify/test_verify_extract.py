"""Extraction: which answer a response ends on, and linear time on hostile text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.verify.extract import extract_answer, gold_answer
from sgpo_cli.verify.grade import begin
from sgpo_cli.verify.outcome import GradeItem


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{\frac{a}{b}} and done", r"\frac{a}{b}"),
        (r"\boxed{\left\{1, \tfrac{1}{2}\right\}}", r"\left\{1, \tfrac{1}{2}\right\}"),
        (r"\boxed{1} \boxed{", None),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed {7}", "7"),
        ("#### 1,000", "1,000"),
        ("The answer is 12, since 3*4 = 12.", "12"),
        ("The answer is $x = 5$ or $x = 6$.", "$x = 5$ or $x = 6$"),
        ("The answer is 5. The answer is 6.", "6"),
        ("A: 5\n\nThe answer is 6.", "6"),
        ("The answer to this question is \\(y^2\\).", "y^2"),
        ("Final answer:\n\n  42", "42"),
        ("Let A: be a set", None),
        ("nothing here", None),
        ("The boxer's \\boxedx{5}", None),
    ],
)
def test_extract(response, answer):
    assert extract_answer(response) == answer


def test_gold_out_of_a_solution():
    assert gold_answer("He has $<<2*3=6>>6.\n#### 6") == "6"
    assert gold_answer(r"Thus \fbox{3}, so \boxed{4}.") == "4"
    assert gold_answer(" $\\frac12$ ") == r"\frac12"


@given(st.text(alphabet="a1{}\\$ #:.\n", max_size=60))
def test_any_text_is_extracted_without_error_and_never_as_blank(text):
    found = extract_answer(text)
    assert found is None or found.strip()
    assert extract_answer(text + "\n\\boxed{17}") == "17"


@pytest.mark.parametrize(
    "unit",
    ["answer: ", "answer is ", "\\boxed{", "#### ", "A: ", "$", "**", "\\text{", "{", "1,", "1", " ", "\n",
     "the answer to ",
     "\\left", "^\\circ", "answer:" + " " * 50, ",", ".", "1 a ", "\\(", "`", "-"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(unit):
    text = unit * (400_000 // len(unit))
    started = time.process_time()
    begin(GradeItem(text, "12"))
    begin(GradeItem("\\boxed{" + text[:100_000].replace("{", "(") + "}", "12"))
    assert time.process_time() - started < 3.0
