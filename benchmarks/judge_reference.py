"""How good the shipped `reference` judge is, next to `arithmetic` on the same rows: the table of docs/judges.md.

    python benchmarks/judge_reference.py DATA_DIR [--write docs/judges.md]

Takes the rows of DATA_DIR's steps_*.jsonl whose problem is, letter for letter and digit for digit, one of another file
there that has a `solution`, and so a reference. The judge was made on one half of them (by the hash of the id); both
halves are shown. `commonest step`: the acc_error of naming one and the same step in every wrong solution, the step that
is most often right: an acc_error below it locates nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from document import put
from judge_arithmetic import cell, row

from sgpo_cli.judging.measure import Tally
from sgpo_cli.judging.registry import load_judge
from sgpo_cli.judging.verdict import Judge, Solution
from sgpo_cli.runs.files import read_jsonl

MARKS = ("<!-- judge_reference: begin -->", "<!-- judge_reference: end -->")
HALVES = ("made on", "held out")
COLUMNS = ("file", "half", "rows", "judge", "acc_error", "acc_correct", "F1", "abstained", "commonest step")
FEWEST = 50


@dataclass
class Rows:
    """The rows of one file and half, with their labels."""

    solutions: list[Solution] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def commonest(self) -> float | None:
        wrong = [label for label in self.labels if label >= 0]
        return Counter(wrong).most_common(1)[0][1] / len(wrong) if wrong else None


def spelled(problem: str) -> str:
    """Letters and digits only: what copies of one problem share."""
    return "".join(mark for mark in problem.casefold() if mark.isalnum())


def references(data: Path) -> dict[str, tuple[str, str | None]]:
    """Reference solution and answer by problem."""
    found: dict[str, tuple[str, str | None]] = {}
    for path in sorted([*data.glob("eval_*.jsonl"), *data.glob("train_*.jsonl")]):
        for told in read_jsonl(path):
            if told.get("solution"):
                found.setdefault(spelled(told["problem"]), (told["solution"], told.get("answer")))
    return found


def halves(path: Path, known: dict[str, tuple[str, str | None]]) -> tuple[Rows, Rows]:
    """The file's rows that have a reference, in the two halves."""
    found = (Rows(), Rows())
    for told in read_jsonl(path):
        reference, answer = known.get(spelled(told["problem"]), (None, None))
        if reference is not None:
            half = int(hashlib.sha256(told["id"].encode()).hexdigest(), 16) % 2
            steps = tuple(told["steps"])
            found[half].solutions.append(Solution(told["problem"], steps, reference, told.get("answer") or answer))
            found[half].labels.append(told["first_error"])
    return found


def lines(path: Path, known: dict[str, tuple[str, str | None]], judges: list[Judge]) -> Iterator[str]:
    """The table's rows for one file; none when hardly any row has a reference."""
    found = halves(path, known)
    if sum(len(part.labels) for part in found) < FEWEST:
        return
    for name, part in zip(HALVES, found, strict=True):
        for judge in judges:
            tally = Tally()
            for verdict, label in zip(judge.judge(part.solutions), part.labels, strict=True):
                tally.add(verdict, label)
            told, constant = tally.measures(), part.commonest()
            yield row(
                (
                    path.stem.removeprefix("steps_"),
                    name,
                    f"{told.n_error} + {told.n_correct}",
                    judge.name,
                    cell(told.acc_error, told.acc_error_ci95),
                    cell(told.acc_correct, told.acc_correct_ci95),
                    cell(told.f1, told.f1_ci95),
                    "-" if told.abstained is None else f"{told.abstained:.0%}",
                    "-" if constant is None else f"{constant:.3f}",
                )
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", type=Path, help="the document whose table is replaced")
    asked = parser.parse_args()
    known = references(asked.data)
    judges = [load_judge(kind, {}) for kind in ("arithmetic", "reference")]
    body = [line for path in sorted(asked.data.glob("steps_*.jsonl")) for line in lines(path, known, judges)]
    if not body:
        sys.exit(f"no steps_*.jsonl in {asked.data} with problems of another file there that has solutions")
    table = "\n".join([row(COLUMNS), row(["---"] * len(COLUMNS)), *body])
    print(table)
    if asked.write is not None:
        put(asked.write, [table], MARKS)


if __name__ == "__main__":
    main()
