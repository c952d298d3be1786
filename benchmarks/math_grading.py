"""The math grader: right and wrong answers of the benchmarks, pairs a second, hostile formulas, memory.

    python benchmarks/math_grading.py DATA_DIR [--pairs 3000] [--memory-pairs 100000]

DATA_DIR holds the local copies (eval_*.jsonl). Prints: for each math card the gold in a box, the gold perturbed (its
last number one larger) and, where there are some, reference solutions; the time of 20 hostile formulas; pairs a second
with 1 and 2 workers, of answers as benchmarks bring them and of formulas that all need computer algebra; and resident
memory over many such pairs.
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


def formulas(count: int, golds: int) -> list[GradeItem]:
    """Pairs that no quick rule settles, over so many golds; half of them equal."""
    items = []
    for number in range(count):
        a, b = number % golds + 2, number // golds + 2
        given = f"\\frac{{{a * b}\\sqrt{{3}}}}{{{7 * b}}}" if number % 2 else f"\\frac{{{a}\\sqrt{{{b + 3}}}}}{{7}}"
        items.append(GradeItem(f"So \\boxed{{{given}}}.", f"\\frac{{{a}\\sqrt{{3}}}}{{7}}"))
    return items


def answers(folder: Path, count: int) -> list[GradeItem]:
    """What benchmarks bring: golds of MATH-500 and OlympiadBench, right (spelled with blanks) and perturbed."""
    items = []
    for name in ("math500", "olympiadbench"):
        bench = load_bench(load_eval_card(name), file=folder / f"eval_{COPIES[name]}.jsonl")
        for at, row in enumerate(bench.rows):
            text = perturbed(row.answer) if at % 2 else row.answer.replace("+", " + ").replace(",", ", ")
            item = bench.item(row, f"So \\boxed{{{text}}}.")
            assert isinstance(item, GradeItem)
            items.append(item)
    return (items * (count // len(items) + 1))[:count]


def by_math_verify(items: Sequence[GradeItem]) -> float:
    """Milliseconds of processor time a pair, in this process, with math-verify alone."""
    from math_verify import parse, verify

    parse("\\boxed{1}")
    began = time.process_time()
    for item in items:
        gold, answer = (
            parse(f"\\boxed{{{item.gold}}}", parsing_timeout=None),
            parse(item.response, parsing_timeout=None),
        )
        verify(gold, answer, timeout_seconds=None)
    return (time.process_time() - began) / len(items) * 1000


def throughput(folder: Path, count: int) -> None:
    print(f"\nmath-verify alone: {by_math_verify(formulas(200, 100)):.1f} ms of processor time a formula pair")
    print("\n| pairs | what | workers | pairs/s here | ms of processor time a pair |\n|---|---|---|---|---|")
    for what, items in (("answers of benchmarks", answers(folder, count)), ("formulas", formulas(count, 200))):
        for workers in (1, 2):
            with Grader(workers=workers) as grader:
                grader.grade_many(formulas(4, 4))
                busy, began = _busy(), time.monotonic()
                for start in range(0, count, 500):
                    grader.grade_many(items[start : start + 500])
                seconds, spent = time.monotonic() - began, _busy() - busy
            print(f"| {count} | {what} | {workers} | {count / seconds:.0f} | {spent / count * 1000:.1f} |", flush=True)


def _busy() -> float:
    """Processor seconds of this process and its workers, those that were replaced included."""
    me = psutil.Process()
    own = me.cpu_times()
    ended = own.children_user + own.children_system
    return ended + own.user + own.system + sum(t.user + t.system for t in (one.cpu_times() for one in me.children()))


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
    parts = ["cards", "hostile", "throughput", "memory"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    told = parser.parse_args()
    with Grader(workers=2) as grader:
        if "cards" in told.parts:
            cards(told.folder, grader)
        if "hostile" in told.parts:
            hostile(grader)
    if "throughput" in told.parts:
        throughput(told.folder, told.pairs)
    if "memory" in told.parts:
        memory(told.memory_pairs)


if __name__ == "__main__":
    main()
