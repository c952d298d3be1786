"""The `reference` judge: hand-written cases, what must always hold, and floors on public labelled data."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpo_cli.errors import UserError
from sgpo_cli.judging.measure import Measures, processbench
from sgpo_cli.judging.reference.judge import ReferenceJudge, from_options
from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.cards import load_judge_card

JUDGE = ReferenceJudge()
SHELVES = (
    "Wendy wants to place 20 more than double the number of books in a shelving system with 6 rows and 6 columns. "
    "How many books will she carry?"
)
BOOKS = (
    "The capacity is 6*6=<<6*6=36>>36 books.\nDouble that is 2*36=<<2*36=72>>72.\nShe carries 20+72=<<20+72=92>>92.\n"
    "#### 92"
)
CLASS = "A class has 50 students: 10 bake, 5 play basketball, twice as many as these play music. How many play games?"
GAMES = "Music: 2 * 5 = 10. Games: 50 - 10 - 5 - 10 = 25.\n#### 25"


def judge(problem: str, reference: str | None, *steps: str, answer: str | None = None) -> Verdict:
    [verdict] = JUDGE.judge([Solution(problem, steps, reference, answer)])
    return verdict


# Where a wrong response goes wrong


def test_the_first_quantity_that_leads_nowhere() -> None:
    verdict = judge(
        SHELVES,
        BOOKS,
        "It holds 6 × 6 = 36 books.",
        "Half of them are there already: 36 ÷ 2 = 18 books.",
        "She adds 20: 18 + 20 = 38.",
        r"The answer is \boxed{38}.",
    )
    assert (verdict.first_error, verdict.num_steps, verdict.checked) == (1, 4, 4)
    assert verdict.reason is not None and "18" in verdict.reason


def test_another_way_to_a_result_of_the_reference_is_right_up_to_there() -> None:
    both = "Bakers and players: 10 + 5 = 15."  # no 15 in problem or reference
    on = "With music: 15 + 10 = 25 students do something else."
    wrong = ("So 50 - 20 = 30 play games.", "#### 30")
    assert judge(CLASS, GAMES, "Twice 5 is 2 * 5 = 10.", both, on, *wrong).first_error == 3
    assert judge(CLASS, GAMES, "Twice 5 is 2 * 5 = 10.", both, *wrong).first_error == 1


def test_a_wrong_answer_of_right_quantities_is_blamed_on_the_step_that_states_it() -> None:
    steps = ("6 * 6 = 36 books.", "2 * 36 = 72 books.", "So she carries 72 books.", "#### 72", "The answer is: 72")
    verdict = judge(SHELVES, BOOKS, *steps)
    assert verdict.first_error == 2
    assert verdict.reason == "not the reference's answer: 72"


def test_a_false_equation_comes_first() -> None:
    steps = ("6 * 6 = 38 books.", "2 * 38 = 76 books.", "20 + 76 = 96", r"\boxed{96}")
    verdict = judge(SHELVES, BOOKS, *steps)
    assert verdict.first_error == 0
    assert verdict.reason is not None and verdict.reason.startswith("false: ")


def test_percentages_units_and_currencies_are_quantities() -> None:
    problem = "A radiator costs $400, at 80% off. The mechanic takes 3 hours at $50 an hour. What is paid?"
    reference = "Off: 400*.8=$320. Paid: 400-320=$80. Mechanic: 3*50=$150. In total 80+150=$230\n#### 230"
    steps = (
        "20% of $400 is 0.2 * $400 = $80, so the discount is $80.",
        "The labour is 3 hours * $50/hour = $150.",
        "Together with the fee of $15: $80 + $15 = $95.",
        r"In total \(\$95 + \$150 = \$245\), so \boxed{\$245}.",
    )
    assert judge(problem, reference, *steps).first_error == 2
    assert (
        judge(problem, reference, *steps[:2], r"In total \(\$80 + \$150 = \$230\), so \boxed{230}.").first_error == -1
    )


# Right answers


@pytest.mark.parametrize("answer", [r"\boxed{92}", "#### 92", "The answer is 92 books.", "Therefore she carries 92."])
def test_a_right_answer_by_any_way_has_no_error(answer: str) -> None:
    verdict = judge(SHELVES, BOOKS, "6 + 6 + 6 + 6 + 6 + 6 = 36", "36 + 10 = 46", "2 * 46 = 92", answer)
    assert (verdict.first_error, verdict.reason, verdict.checked) == (-1, None, 4)


def test_a_right_answer_does_not_hide_a_false_equation() -> None:
    assert judge(SHELVES, BOOKS, "6 * 6 = 36", "2 * 36 = 71", "20 + 72 = 92", r"\boxed{92}").first_error == 1


@pytest.mark.parametrize(
    ("gold", "given", "first_error"),
    [
        (r"\frac{1}{2}", "0.5", -1),
        (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}", -1),
        (r"x^2+2x+1", r"(x+1)^2", -1),
        (r"2\sqrt{3}", r"3\sqrt{2}", 1),
        ("(1, 2)", "(2, 1)", 1),
    ],
)
def test_answers_are_compared_as_mathematics(gold: str, given: str, first_error: int) -> None:
    reference = rf"It follows that it is $\boxed{{{gold}}}$."
    assert judge("What is it?", reference, "Consider it.", rf"So it is $\boxed{{{given}}}$.").first_error == first_error


def test_the_rows_answer_comes_before_the_references() -> None:
    assert judge(SHELVES, BOOKS, "So it is", "#### 93", answer="93").first_error == -1
    assert judge(SHELVES, "20 + 72, clearly.", "So it is", "#### 92", answer="92").first_error == -1


# Abstentions


@pytest.mark.parametrize("reference", [None, ""])
def test_abstains_without_a_reference(reference: str | None) -> None:
    verdict = judge(SHELVES, reference, "1 + 1 = 3", answer="92")
    assert verdict.abstained and verdict.reason == "no reference solution"


@pytest.mark.parametrize(
    "last",
    [
        "Now we add 20 to",
        "So the 3 shelves hold 5 or 6 books.",
        r"Thus $n = 7$ is excluded.",
        "She carries 12 books.",
        "Therefore she carries 12 boo",
        "",
    ],
)
def test_abstains_where_no_answer_can_be_compared(last: str) -> None:
    verdict = judge(SHELVES, BOOKS, "6 * 6 = 36", "36 + 7 = 43", last)
    assert verdict.abstained and verdict.reason == "no final answer found"


def test_a_false_equation_needs_no_answer() -> None:
    assert judge(SHELVES, BOOKS, "6 * 6 = 36", "36 + 7 = 44", "Now we").first_error == 1


def test_abstains_where_the_reference_has_no_answer() -> None:
    verdict = judge("Prove it.", "It is clear.", "Hence the answer is 7.")
    assert verdict.abstained and verdict.reason == "the reference states no final answer"


def test_a_response_without_steps() -> None:
    verdict = judge(SHELVES, BOOKS)
    assert (verdict.first_error, verdict.num_steps, verdict.prefix_score) == (-1, 0, 0.0)


# What must always hold


def test_each_verdict_depends_on_its_own_solution_only() -> None:
    one = Solution(SHELVES, ("6 * 6 = 36", "36 / 2 = 18", "#### 18"), BOOKS)
    two = Solution(CLASS, ("2 * 5 = 10", r"\boxed{25}"), GAMES)
    none = Solution(SHELVES, ("6 * 6 = 36",))
    alone = [JUDGE.judge([solution])[0] for solution in (one, two, none, one)]
    assert JUDGE.judge([one, two, none, one]) == alone
    assert JUDGE.judge([]) == []


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=60),
    st.lists(st.text(st.sampled_from("0123456789+-*/=.,%$\\{}()x <>#\nfracboxedso½²−×π日"), max_size=60), max_size=4),
    st.one_of(st.none(), st.text(max_size=60), st.just(BOOKS)),
)
def test_any_text_gets_a_verdict(problem: str, steps: list[str], reference: str | None) -> None:
    verdict = judge(problem, reference, *steps)
    assert verdict.num_steps == len(steps)
    assert verdict.abstained or reference


def test_is_fast_on_hostile_text() -> None:
    began = time.process_time()
    judge("1 + " * 5000, "$" * 5000 + BOOKS, "((((" * 3000, "= 1 " * 5000, "9" * 20000, r"\boxed{" * 2000)
    assert time.process_time() - began < 2


def test_options() -> None:
    card = load_judge_card("reference")
    options = {key: value for key, value in asdict(card).items() if key != "kind"}
    assert isinstance(load_judge(card.kind, options), ReferenceJudge)
    with pytest.raises(UserError, match="no option 'places'"):
        from_options({"places": 1})


# Public data


@pytest.mark.parametrize(
    ("name", "every"), [("train_gsm8k", 25), ("train_math", 25), ("eval_math500", 3), ("train_aime_1983_2023", 10)]
)
def test_a_reference_judged_against_itself_has_no_error(shared_data: Path, name: str, every: int) -> None:
    rows = [json.loads(line) for line in (shared_data / f"{name}.jsonl").read_text().splitlines()[::every]]
    solutions = [
        Solution(row["problem"], tuple(split_steps(row["solution"])), row["solution"], row["answer"]) for row in rows
    ]
    verdicts = JUDGE.judge(solutions)
    flagged = [verdict for verdict in verdicts if verdict.first_error not in (-1, None)]
    assert len(flagged) <= 1 + 0.005 * len(rows)
    assert all(str(verdict.reason).startswith("false: ") for verdict in flagged)  # the arithmetic judge's, none of ours
    assert sum(verdict.abstained for verdict in verdicts) <= 0.01 * len(rows)


def measures_of(shared_data: Path, name: str) -> tuple[Measures, float]:
    known = {
        row["problem"].strip(): row["solution"]
        for row in map(json.loads, (shared_data / "eval_gsm8k_test.jsonl").read_text().splitlines())
    }
    rows = [json.loads(line) for line in (shared_data / f"steps_{name}.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["problem"].strip() in known]
    assert len(rows) > 150
    solutions = [Solution(row["problem"], tuple(row["steps"]), known[row["problem"].strip()]) for row in rows]
    began = time.process_time()
    verdicts = JUDGE.judge(solutions)
    seconds = (time.process_time() - began) / len(rows)
    return processbench((v, row["first_error"]) for v, row in zip(verdicts, rows, strict=True)), seconds


@pytest.mark.parametrize(
    ("name", "acc_error", "acc_correct"), [("mr_gsm8k_original", 0.55, 0.98), ("processbench_gsm8k", 0.38, 0.97)]
)
def test_floors_on_labelled_data(shared_data: Path, name: str, acc_error: float, acc_correct: float) -> None:
    measures, seconds = measures_of(shared_data, name)
    assert measures.acc_error is not None and measures.acc_error >= acc_error
    assert measures.acc_correct is not None and measures.acc_correct >= acc_correct
    assert seconds < 0.02


def test_without_references_it_knows_nothing(shared_data: Path) -> None:
    """The figures come from the reference: take it away, and every row is an abstention."""
    rows = [json.loads(line) for line in (shared_data / "steps_processbench_gsm8k.jsonl").read_text().splitlines()]
    solutions = [Solution(row["problem"], tuple(row["steps"]), BOOKS) for row in rows]
    assert all(verdict.abstained for verdict in JUDGE.judge([replace(one, reference=None) for one in solutions]))
