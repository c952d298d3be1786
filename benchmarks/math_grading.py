"""The math grader: right and wrong answers of the benchmarks, pairs a second, hostile formulas, memory.

    python benchmarks/math_grading.py DATA_DIR [--pairs 3000] [--memory-pairs 100000]

DATA_DIR holds the local copies (eval_*.jsonl). Prints: for each math card the gold in a box, the gold perturbed (its
last number one larger) and, where there are some, reference solutions; pairs a second that all need computer algebra
(no two alike), with 1 and 2 workers; the time of 20 hostile formulas; and resident memory over many pairs.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

from sgpo_cli.evaluation.bench import load_bench
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.verify.outcome import Grade, GradeItem
from sgpo_cli.verify.pool import Grader

COPIES = {
    "aime24": "aime_2024", "aime25": "aime_2025", "amc23": "amc23", "hmmt_feb24": "hmmt_feb_2024",
    "hmmt_feb25": "hmmt_feb_2025", "gsm8k": "gsm8k_test", "math500": "math500", "minerva": "minerva_math",
    "olympiadbench": "olympiadbench",
}  # fmt: skip
HOSTILE = [
    "9^{9^{9^9}}", "9^{9^{9^{9^{9^9}}}}", "(10^9)!", "((3!)!)!^{((3!)!)!}", "\\sum_{n=1}^{10^{12}} n^{n}",
    "\\prod_{n=1}^{10^9} n", "x^{10^{10}} + 1", "(x+1)^{100000}", "\\int_0^{10^9} e^{e^{x^2}} dx",
    "\\frac{1}{" * 300 + "1" + "}" * 300, "{" * 2000, "\\sqrt{" * 500 + "2" + "}" * 500, "1+" * 20000 + "1",
    "\\frac{" * 1000, "x" * 100_000, "\\left(" * 3000, "1" * 100_000, "\\begin{pmatrix}" + "1&" * 5000,
    "2^{2^{2^{2^{2^{2}}}}} \\bmod 10^{100}", "\\sin(" * 200 + "x" + ")" * 200,
]  # fmt: skip


def perturbed(gold: str) -> str:
    numbers = list(re.finditer(r"\d+", gold))
    if not numbers:
        return f"{gold} + 1"
    last = numbers[-1]
    return f"{gold[: last.start()]}{int(last.group()) + 1}{gold[last.end() :]}"


def counted(grades: Sequence[Grade]) -> str:
    right = sum(grade.outcome == 1 for grade in grades)
    ungraded = sum(grade.outcome is None for grade in grades)
    return f"{right}/{len(grades)}" + (f" ({ungraded} ungraded)" if ungraded else "")


def cards(folder: Path, grader: Grader) -> None:
    print("| card | problems | boxed gold | perturbed gold | reference solutions |\n|---|---|---|---|---|")
    for name, copy in COPIES.items():
        file = folder / f"eval_{copy}.jsonl"
        bench = load_bench(load_eval_card(name), file=file)
        rows = [json.loads(line) for line in file.read_text().splitlines()]

        def grade(texts: Sequence[str], bench=bench) -> list[Grade]:  # type: ignore[no-untyped-def]
            return grader.grade_many([bench.item(row, text) for row, text in zip(bench.rows, texts, strict=True)])

        gold = counted(grade([f"\\boxed{{{row.answer}}}" for row in bench.rows]))
        wrong = counted(grade([f"\\boxed{{{perturbed(row.answer)}}}" for row in bench.rows]))
        has_solutions = "solution" in rows[0] and name != "olympiadbench"
        solved = counted(grade([row["solution"] for row in rows])) if has_solutions else "-"
        print(f"| {name} | {len(bench.rows)} | {gold} | {wrong} | {solved} |", flush=True)


def pairs(count: int, golds: int) -> list[GradeItem]:
    """Pairs that no quick rule settles, over so many golds; half of them equal."""
    items = []
    for number in range(count):
        a, b = number % golds + 2, number // golds + 1
        gold = f"\\frac{{{a}\\sqrt{{3}}}}{{7}} + x^{{{a}}}"
        given = f"x^{{{a}}} + \\frac{{{a * b}\\sqrt{{3}}}}{{{7 * b}}}" if number % 2 else f"x^{{{a}}} + \\sqrt{{{b}}}"
        items.append(GradeItem(f"So \\boxed{{{given}}}.", gold))
    return items


def throughput(count: int) -> None:
    print("\n| workers | pairs | golds | pairs/s |\n|---|---|---|---|")
    for workers in (1, 2):
        for golds in (200, count):
            with Grader(workers=workers) as grader:
                grader.grade_many(pairs(4, 4))
                began = time.monotonic()
                grades = grader.grade_many(pairs(count, golds))
                seconds = time.monotonic() - began
            assert all(grade.outcome is not None for grade in grades)
            print(f"| {workers} | {count} | {golds} | {count / seconds:.0f} |", flush=True)


def hostile(grader: Grader) -> None:
    began = time.monotonic()
    slowest = 0.0
    reasons: Counter[str] = Counter()
    for formula in HOSTILE:
        for gold, given in (("12", formula), (formula, "12"), (formula, formula + "+1")):
            start = time.monotonic()
            [grade] = grader.grade_many([GradeItem(f"\\boxed{{{given}}}", gold)])
            assert grade.outcome != 1, formula[:40]
            reasons[grade.reason] += 1
            slowest = max(slowest, time.monotonic() - start)
    print(
        f"\n{len(HOSTILE)} hostile formulas as answer, as gold and as both: {time.monotonic() - began:.1f} s in all, "
        f"the slowest {slowest:.1f} s (timeout 5 s); {dict(reasons)}"
    )


def memory(count: int) -> None:
    me = psutil.Process()
    print("\n| pairs | MiB here | MiB of all workers |\n|---|---|---|")
    done, step = 0, max(1, count // 10)
    with Grader(workers=2) as grader:
        while done < count:
            chunk = [
                GradeItem(f"\\boxed{{x^{{{n % 5}}} + \\sqrt{{{n}}}}}", f"\\sqrt{{{n}}} + x^{{{n % 5}}}")
                for n in range(done, done + step)
            ]
            grader.grade_many(chunk)
            done += step
            workers = sum(child.memory_info().rss for child in me.children()) >> 20
            print(f"| {done} | {me.memory_info().rss >> 20} | {workers} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--memory-pairs", type=int, default=100_000)
    told = parser.parse_args()
    with Grader(workers=2) as grader:
        cards(told.folder, grader)
        hostile(grader)
    throughput(told.pairs)
    memory(told.memory_pairs)


if __name__ == "__main__":
    main()
