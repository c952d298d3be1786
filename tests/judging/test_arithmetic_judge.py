"""The arithmetic judge on single steps, and on the labelled data."""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path

import pytest

from sgpo_cli.judging.arithmetic.judge import ArithmeticJudge
from sgpo_cli.judging.measure import Measures, processbench
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution, Verdict


def judge(*steps: str) -> Verdict:
    return ArithmeticJudge().judge([Solution("p", steps)])[0]


WRONG = [
    "so the cost is 42 * 75 = 3300 pounds of hay",
    "A = (0 - -4 - 2) = (0 + 4 + 2) = 6",
    "(81 - -18) * (0 - -10) = 100 * 10 = 1000",
    "She pays $430 + $750 + $700 = $1980 and leaves.",
    "2080 gallons x $0.15/gallon = $322",
    "900 - 9 = <<900-9=811>>811",
    "\\[ 8 \\text{ km} + 4 \\text{ km} = 13 \\text{ km} \\]",
    "\\frac{3}{4} \\times 8 = 7",
    "it takes 105000 / 31 = 3300 days",
    "$165.00 * 0.8 = $140.00",
    "1/3 × 72 ≈ 30",
    "20 / 8 * 100 = 25%",
    "we have 3 + 4 = 7, so 7 * 8 = 54",
    "3 + 4 = 7\n= 8",
    "**Total:** 3 + 4 = **8**",
    "24 hours in a day - (10 hours + 8 hours + 1 hour) = 15 hours",
    "(because 5 + 5 = 11)",
    "1,500 + 2,500 = 5,000",
    "Its speed is $\\frac{210}{3} = 60$ km/h.",
    "20 kb/s / 3600 s/h = 0.005667 kb/h",
    "126 * 7 = 880",
    "In total, 3 plus 4 equals 8.",
    "20% of 50 is 15",
    "half of 30 = 20",
    "Two-thirds of 12 is 9.",
    "twice 15 = 40",
    "5 * 6 is equal to 35",
    "612 = 2^2 * 3 * 17",
    "1529 ÷ 6 = 255 with a remainder of 4",
    "$129 \\div 11 = 11$ with a remainder of $1$",
    "The LCM is 8 * 27 * 25 = 10800",
    "so Amy has 55 - 56 = -1 pieces of candy left",
    "the number of notes in the package is 80 - 243 = -163.",
    "there are 24/40 = <<24/40=0.6>>0.6 boys in each class",
]
RIGHT = [
    "42 * 75 = 3150 pounds",
    "200/70 = 2.857 hours",
    "10 / 3 = 3.33 and 3.33 * 3 = 10",
    "2/3 = 0.66",
    "(11/30) * 100 = 36.67%",
    "10% of $50 = $5",
    "25% + 30% = 55%",
    "0.25 = 25%",
    "100 / 6 = 16 and 2/3",
    "12 x 1 and 1/4 = 15",
    "13 \\times 4 \\times 12 \\times 6 = 3,\\!744",
    "15/25 = \\boxed{60} percent",
    "11 / 5 = <<11/5=2.2>>2 trays",
    "80 + 79 \\\\ &\\qquad + 81 &= 240",
    "140/60 = 2.3333333333333335",
    "1.2 * 1.2 * 1.2 ≈ 1.7",
    "5 + 6 = 11 people so 11 * 2 = 22",
    "2^3 + 1 = 9 > 8",
    "15,000 * 3 = $45,000.00.",
    "12 x 2 = 24",
    "Half of 90 rooms is 90/2 = 45",
    "90 plus 34 plus 26 equals 150",
    "30% of $60, which is 0.3 * 60 = 18",
    "100 ÷ 60 = 1 with a remainder of 40.",
    "7 / 2 = 3 R 1",
    "612 = 2^2 * 3^2 * 17",
    "the temperature became 2 - 8 = -6 degrees",
    "there are 45/30 = 1.5 students per teacher",
    "5 m/s * 4 = 20 m/s",
]
NOT_JUDGED = [
    "2 hours + 30 minutes = 150 minutes",
    "4 hours = 4 * 60 = 240 minutes",
    "1/2 inch = 20 miles",
    "194 / 11 = 17 with a remainder of 7",
    "17 = 2 \\pmod{5}",
    "the ratio is 3:4 = 6:9",
    "f(3) = 10",
    "x + 3 = 10",
    "Price - 5 = 10",
    "the 5 children = 7",
    "1 + 2 + ... + 10 = 55",
    "12 - 20 = 8",
    "10x = 7.\\overline{7}",
    "(3, 4) = 5",
    "3,5 + 2 = 5,5",
    "Suppose 3 + 4 = 8",
    "floor(42/25) = 1",
    "5 * number of boxes + 3 = 18",
    "40 + 1 hour and 20 minutes + 50 minutes = 170 minutes",
    "101_2 + 1 = 6",
    "x * 2 = 10 so x = 5",
    "525 * 3/4 = 394",
    "3 : 4 = 6 : 9",
    "3x-5=16",
    "25 / 1/3 = 75",
    "so 8*45 = 320 divided by 5",
    "1(60-Losses) + 2 = 7",
    ".1(Number of minutes) + 1 = .15(Number of minutes)",
    "\\frac{4 \\text{ daps}}{3 \\text{ dops}} = 1",
    "He adds 20 + 10 cups to the 29 + 24 cups = 83",
    "$\\$30.96 - \\$29.97 = \\boxed{99}$ cents",
    "the units digit is 7 * 3 = 1",
    "3 squared times 8, which is 72",
    "1 + 2, 3, 4 plus 5 is 15",
    "the largest factor of 3 + 5 is 4",
    "when 67 is divided by 4, the remainder is 3",
    "3/4 is equal to $15, so 4/4 is $20",
    "the 45-54 year-old group is 145",
    "If 12 = 5 * 3 then stop",
]


@pytest.mark.parametrize("step", WRONG)
def test_wrong_steps(step: str) -> None:
    verdict = judge("Nothing here.", step)
    assert verdict.first_error == 1 and verdict.checked == 1
    assert verdict.reason


@pytest.mark.parametrize("step", RIGHT)
def test_right_steps(step: str) -> None:
    assert judge(step).to_json()["first_error"] == -1
    assert judge(step).checked == 1


@pytest.mark.parametrize("step", NOT_JUDGED)
def test_steps_that_are_left_alone(step: str) -> None:
    assert judge(step).first_error == -1


def test_letters_carry_over_steps() -> None:
    steps = ("A = (7 - 2) and B = (3 * 4).", "A - B = 5 - 13 = -8")
    assert judge(*steps).first_error == 1
    assert judge(steps[0], "A - B = 5 - 12 = -7").first_error == -1
    assert judge("Let A be a number.", steps[1]).first_error == -1


def test_an_equation_that_does_not_follow() -> None:
    assert judge("3(x + 2) = 21", "Dividing both sides by 3, x + 2 = 8", "so x = 6").first_error == 1
    assert judge("3(x + 2) = 21", "Dividing both sides by 3, x + 2 = 7", "so x = 5").first_error == -1
    assert judge("For k = 2, 2x = 4", "For k = 3, dividing, x = 9").first_error == -1


@pytest.mark.parametrize(("name", "share"), [("train_gsm8k", 0.004), ("train_math", 0.004)])
def test_solutions_written_by_people_are_rarely_flagged(shared_data: Path, name: str, share: float) -> None:
    lines = (shared_data / f"{name}.jsonl").read_text().splitlines()[::5]
    texts = [str(json.loads(line)["solution"]) for line in lines]
    verdicts = ArithmeticJudge().judge([Solution("p", tuple(split_steps(text))) for text in texts])
    assert sum(verdict.first_error != -1 for verdict in verdicts) <= share * len(verdicts)


def test_the_first_wrong_step_counts_and_all_are_checked() -> None:
    verdict = judge("1 + 1 = 2", "words", "1 + 1 = 3", "2 + 2 = 5")
    assert (verdict.first_error, verdict.checked, verdict.num_steps) == (2, 3, 4)


def test_nothing_to_check_is_no_abstention() -> None:
    verdict = judge("It is so.", "Hence it is.")
    assert (verdict.first_error, verdict.checked, verdict.abstained) == (-1, 0, False)
    assert judge().num_steps == 0


def measures_of(path: Path) -> tuple[Measures, float]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    began = time.process_time()
    verdicts = ArithmeticJudge().judge([Solution(row["problem"], tuple(row["steps"])) for row in rows])
    seconds = (time.process_time() - began) / len(rows)
    return processbench((v, row["first_error"]) for v, row in zip(verdicts, rows, strict=True)), seconds


@pytest.mark.parametrize(
    ("name", "acc_error", "acc_correct", "f1"),
    [
        ("bbmistake_multistep_arithmetic", 0.93, 0.7, 0.78),
        ("mr_gsm8k_original", 0.27, 0.995, 0.42),
        ("processbench_gsm8k", 0.1, 0.99, 0.19),
        ("processbench_math", 0.08, 0.99, 0.15),
        ("prmbench_sample", 0.03, 0.97, 0.05),
    ],
)
def test_floors_on_labelled_data(shared_data: Path, name: str, acc_error: float, acc_correct: float, f1: float) -> None:
    measures, seconds = measures_of(shared_data / f"steps_{name}.jsonl")
    assert measures.acc_error is not None and measures.acc_error >= acc_error
    assert measures.acc_correct is not None and measures.acc_correct >= acc_correct
    assert measures.f1 is not None and measures.f1 >= f1
    assert seconds < 0.02


PIECES = [
    "(",
    "((1+",
    "1+",
    "$",
    "{",
    "1,",
    "<<1",
    "1=",
    "a=",
    "x=1 ",
    "\\frac{1}{",
    "1 apples per ",
    "(1)(",
    "2(",
    "(=",
    "3 plus 4 is ",
    "half of 3 ",
    "7 / 2 = 3 remainder 1 ",
    "5 m/s ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_costs_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]

        def once() -> float:
            began = time.process_time()
            judge(text)
            return time.process_time() - began

        # The best of three: what else the machine does only ever adds. The collector's passes over everything that is
        # alive in this process are not the judge's time.
        gc.disable()
        try:
            return min(once() for _ in range(3))
        finally:
            gc.enable()

    seconds(1000)
    assert seconds(80_000) < 20 * max(seconds(10_000), 0.01)
