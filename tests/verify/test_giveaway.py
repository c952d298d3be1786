"""What of a trace is never given: from the first marked answer, or from the steps that arrive at it."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpo_cli.data.hops import problems
from sgpo_cli.judging.split import split_spans
from sgpo_cli.recipe.schema import HopsTask
from sgpo_cli.verify.giveaway import Withheld, withheld


def steps_of(lines: list[str], answer: str | None) -> int:
    """Steps withheld of a trace with a step a line."""
    text = "\n".join(lines)
    ends = [0]
    for line in lines:
        ends.append(min(len(text), ends[-1] + len(line) + 1))
    return withheld(text, list(pairwise(ends)), answer).steps


@pytest.mark.parametrize(
    ("steps", "answer", "reserve"),
    [
        ([], "1", 1),
        (["# 4"], "4", 1),
        (["48/2 = <<48/2=24>>24 clips.", "48+24 = <<48+24=72>>72 clips.", "#### 72"], "72", 2),
        (["It is 72 or 73.", "So 10.", "#### 72"], "72", 1),  # an early mention is none at the end
        (["7", "7", "7"], "7", 3),
        (["a", "b"], None, 1),
        (["a", "b"], "  ", 1),
        (["a", r"Thus \boxed{\frac{1}{2}}.", r"The answer is \frac{1}{2}"], r"\frac{1}{2}", 2),
        (["4", "So 72.", "That is all.", "#### 72"], "72", 3),  # nothing but words between
        (["4", "So 9*8 = 72.", "This is for 2 weeks.", "#### 72"], "72", 3),  # no newer result between
        (["4", "So 9*8 = 72.", "2 weeks = 14 days", "#### 72"], "72", 1),  # there is one
    ],
)
def test_the_steps_that_arrive_at_the_answer(steps: list[str], answer: str | None, reserve: int) -> None:
    assert steps_of(steps, answer) == reserve


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("$1,200", "1200"), ("1200 dollars", "1,200"), ("<<9*110=990.00>>990.00", "990"), ("322kg", "322"),
        (r"x = 1{,}260", "1260"), (r"\$15\,000", "15000"), ("5", "5 cm"), ("5 cm", "$5$"), ("half is .5", r"\frac12"),
        (r"p = \dfrac{2}{4}", "1/2"), ("1/2 of it", "0.5"), ("75%", "75"), (r"75\%", "0.75"), ("0.75", r"75\%"),
        ("= -3", "-3"), ("10-5", "5"), ("x = $-\\frac{1}{2}$", r"-\frac{1}{2}"), ("25", "025"), ("3x^2", "3"),
        ("It is $y = 2x+3$", "y = 2x + 3"), ("We get 2x + 3.", "y=2x+3"),
        (r"on \text{Tuesday}.", "Tuesday"), (r"$x \in \left(1, 2\right)$", "(1,2)"), ("32_{10}", "32"),
    ],
)  # fmt: skip
def test_one_value_in_two_spellings(said: str, answer: str) -> None:
    assert steps_of(["Nothing yet.", said, "The end."], answer) == 2


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("172 and 7.2 and 72.5", "72"), ("x_5 = 8", "5"), ("= 3", "-3"), ("990.01", "990"), ("1200", "200"),
        ("10011_{2} is 19", "2"), ("e4", "e9"), ("2x+30", "2x+3"), ("4/5", "4"), ("0.8", "8"),
        (r"$\sqrt 2$", r"\sqrt{2}"), ("twelve", "12"), ("10+2", "12"),  # not seen, as the docs say
    ],
)  # fmt: skip
def test_another_value(said: str, answer: str) -> None:
    assert steps_of(["Nothing yet.", said, "The end."], answer) == 1


@pytest.mark.parametrize(
    ("lines", "answer", "reserve"),
    [
        (["a = 1", r"so \boxed{5}.", "- OR -", "b = 2", "c = 3"], "5", 4),
        (["a = 1", "so a+4 = 5", r"thus $\boxed{005}$.", "Note: 6 is 7.", "~somebody"], "5", 4),
        (["a = 1", r"\fbox{x = 5}", "b = 2", "c = 3"], "5", 3),
        (["a = 1", r"$\boxed{\textbf{(C)}\ 5}$", "b = 2", "c = 3"], "5", 3),
        (["a = 1", r"$\boxed{144}$", "b = 2", r"$\boxed{5}$"], "5", 1),  # another number: a result on the way
        (["a = 1", "#### 5", "b = 2", "c = 3"], "5", 3),
        (["#### Step 1", "a = 1", "b = 2", "#### 5"], "5", 1),  # a heading
        (["a = 1", "So the answer is $5$ eggs.", "b = 2", "c = 3"], "5", 3),
        (["a = 1", "The answer is not easy to see.", "b = 2", "c = 3"], "5", 1),
        (["a = 1", "A: 5", "b = 2", "c = 3"], "5", 3),
        (["a = 1", r"so \boxed{", "b = 2", "c = 3"], "5", 3),  # unclosed: who knows
    ],
)
def test_from_the_first_marked_answer_on(lines: list[str], answer: str, reserve: int) -> None:
    assert steps_of(lines, answer) == reserve


def test_an_answer_column_that_holds_the_whole_solution() -> None:
    lines = ["48/2 = 24 clips.", "48+24 = 72 clips.", "#### 72"]
    assert steps_of(lines, "\n".join(lines)) == steps_of(lines, "72") == 2
    boxed = ["a = 1", "b = 2, so 3", r"\boxed{3}"]
    assert steps_of(boxed, "\n".join(boxed)) == 2
    said = ["a = 1", "so it is 3", "Hence the answer is 3 because a is 1 and b is 2, as was to be shown here today."]
    assert steps_of(said, "\n".join(said)) == 2
    assert steps_of(boxed, None) == 2  # no column at all: what the trace states


@pytest.mark.parametrize(
    ("trace", "spans", "answer", "shown"),
    [
        ("e4\ne6\ne9\n# e9", [(0, 3), (3, 6), (6, 9), (9, 13)], "e9", "e4\ne6\n"),
        ("Let x be 3. Then y = 5. So the answer is $5$.", [(0, 45)], "5", "Let x be 3. "),
        ("Let $x = 3.$ Then y = 4. It is $\\boxed{7}$.", [(0, 43)], "7", "Let $x = 3.$ Then y = 4. "),
        ("All in 1.5 words: 7.", [(0, 20)], "7", ""),
        ("It is 7. ", [(0, 9)], "7", ""),
        ("Let x = 3. So \\boxed{7}.\n\n[asy] 1; 2; [/asy]", [(0, 26), (26, 44)], "7", "Let x = 3. "),
        ("", [], "7", ""),
    ],
)
def test_what_is_shown_in_tokens_ends_before_the_answer(
    trace: str, spans: list[tuple[int, int]], answer: str, shown: str
) -> None:
    assert trace[: withheld(trace, spans, answer).start] == shown


def test_on_hops_exactly_the_hop_that_arrives_and_the_answer_are_held_back() -> None:
    """As before numbers were compared and marks looked for, for every problem: the lab's runs stay what they were."""
    for row in problems(HopsTask(), 500, 0, "train"):
        assert row.solution is not None and row.answer is not None
        spans = split_spans(row.solution)
        lines = row.solution.split("\n")
        told = re.compile(rf"(?<![\w.]){re.escape(row.answer)}(?!\w|\.\d)")
        reserve = 1
        while reserve < len(lines) and told.search(lines[-1 - reserve]):
            reserve += 1
        assert reserve >= 2 and withheld(row.solution, spans, row.answer) == Withheld(reserve, spans[-reserve][0])


@settings(max_examples=150, deadline=None)
@given(
    text=st.text("ab 12.,$\\{}é<>=/%\n", max_size=60) | st.text(max_size=40),
    answer=st.none() | st.sampled_from(["12", "1/2", "b", "x=1", "\\", "(", "{1}"]) | st.text(max_size=8),
)
def test_any_text_keeps_its_last_step(text: str, answer: str | None) -> None:
    spans = split_spans(text)
    found = withheld(text, spans, answer)
    assert 1 <= found.steps <= max(1, len(spans))
    assert found.start <= (spans[-1][0] if len(spans) > 1 else len(text))
    assert len(spans) <= found.steps or found.start == spans[-found.steps][0]


def test_a_long_trace_takes_no_time() -> None:
    for line in ("x = 12 and the answer is 7,", "12 ", "answer ", "\\frac{1}{", "1,", "a. "):
        text = line * (200_000 // len(line)) + "\nso\n12"
        begun = time.process_time()
        withheld(text, split_spans(text), "12")
        assert time.process_time() - begun < 10, line


@pytest.mark.parametrize("name", ["train_gsm8k", "train_math", "train_aime_1983_2023"])
def test_no_human_solution_gives_its_marked_answer(shared_data: Path, name: str) -> None:
    """Every sixth row; benchmarks/guidance_leaks.py looks at all of them."""
    for line in (shared_data / f"{name}.jsonl").open().readlines()[::6]:
        row = json.loads(line)
        text, spans = row["solution"], split_spans(row["solution"])
        found = withheld(text, spans, row["answer"])
        assert found == withheld(text, spans, text), "the whole solution as answer tells the same"
        box = "\\boxed{" + row["answer"] + "}"
        for given_text in (text[: spans[-found.steps][0]], text[: found.start]):
            assert "####" not in given_text and box not in given_text, row["id"]
