"""How good the shipped `arithmetic` judge is on labelled solutions: the table of docs/judges.md comes from here.

    python benchmarks/judge_arithmetic.py DATA_DIR [--write docs/judges.md]

Runs the card `arithmetic` over every steps_*.jsonl in DATA_DIR (rows with `problem`, `steps` and `first_error`,
0-based, -1 for none) and prints a markdown table: ProcessBench's figures with 95% intervals, the share of solutions
that hold anything to check, and milliseconds of processor time a solution. `--write` puts it between the marks in that
document.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from document import put

from sgpo_cli.judging.measure import Interval, Measures, Tally
from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.verdict import Judge, Solution
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.runs.files import read_jsonl

MARKS = ("<!-- judge_arithmetic: begin -->", "<!-- judge_arithmetic: end -->")
COLUMNS = ("file", "rows", "acc_error", "acc_correct", "F1", "something to check", "ms a solution")


@dataclass(frozen=True)
class Result:
    """What one file came to."""

    name: str
    rows: int
    measures: Measures
    checked: float
    milliseconds: float


def shipped() -> Judge:
    """The judge of the card `arithmetic`, as a recipe would load it."""
    card = load_judge_card("arithmetic")
    return load_judge(card.kind, {key: value for key, value in asdict(card).items() if key != "kind"})


def measure(path: Path, judge: Judge) -> Result:
    tally, rows, checked, spent = Tally(), 0, 0, 0.0
    for told in read_jsonl(path):
        solution = Solution(told["problem"], tuple(told["steps"]))
        began = time.process_time()
        [verdict] = judge.judge([solution])
        spent += time.process_time() - began
        tally.add(verdict, told["first_error"])
        rows += 1
        checked += verdict.checked > 0
    name = path.stem.removeprefix("steps_")
    return Result(name, rows, tally.measures(), checked / max(rows, 1), 1000 * spent / max(rows, 1))


def cell(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return "-"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def line(result: Result) -> str:
    found = result.measures
    cells = (
        result.name,
        str(result.rows),
        cell(found.acc_error, found.acc_error_ci95),
        cell(found.acc_correct, found.acc_correct_ci95),
        cell(found.f1, found.f1_ci95),
        f"{result.checked:.0%}",
        f"{result.milliseconds:.1f}",
    )
    return row(cells)


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", type=Path, help="the document whose table is replaced")
    asked = parser.parse_args()
    files = sorted(asked.data.glob("steps_*.jsonl"))
    if not files:
        sys.exit(f"no steps_*.jsonl in {asked.data}")
    judge = shipped()
    table = "\n".join([row(COLUMNS), row(["---"] * len(COLUMNS)), *(line(measure(path, judge)) for path in files)])
    print(table)
    if asked.write is not None:
        put(asked.write, [table], MARKS)


if __name__ == "__main__":
    main()
