"""How well programs are graded: reference solutions must pass, damaged ones must not, and how many a second.

    python benchmarks/code_grading.py DATA_DIR [--sandbox bubblewrap|namespaces] [--workers 2] [--limit N]

DATA_DIR holds eval_humaneval.jsonl and eval_mbpp.jsonl (fields `id`, `problem`, `answer` and the tests). Prints a
markdown table: reference solutions that pass; the same with one operator flipped (+ and -, * and //, == and !=, < and
>=, > and <=, `and` and `or`), one site a program drawn by a fixed seed; programs a second. Then every reference that
failed, and why. A damaged program may still pass: the tests may not reach the site, or it may not matter.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.verify.code import (
    CodeOutcome,
    CodeTests,
    Item,
    Limits,
    Sandbox,
    choose_sandbox,
    complete,
    grade_many,
    humaneval_tests,
    mbpp_tests,
)
from sgpo_cli.verify.code.sandbox import candidates
from sgpo_cli.verify.code.trial import try_out

FLIPS: dict[type[ast.AST], type[ast.AST]] = {}
for one, other in (
    (ast.Add, ast.Sub),
    (ast.Mult, ast.FloorDiv),
    (ast.Eq, ast.NotEq),
    (ast.Lt, ast.GtE),
    (ast.Gt, ast.LtE),
    (ast.And, ast.Or),
):
    FLIPS |= {one: other, other: one}


@dataclass(frozen=True)
class Task:
    """One row: its name, its reference program and its tests."""

    name: str
    program: str
    tests: CodeTests


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def humaneval(folder: Path) -> list[Task]:
    rows = read(folder / "eval_humaneval.jsonl")
    return [
        Task(row["id"], complete(row["problem"], row["answer"], row["entry_point"]), humaneval_tests(row))
        for row in rows
    ]


def mbpp(folder: Path) -> list[Task]:
    rows = [row for row in read(folder / "eval_mbpp.jsonl") if row["split"] == "test"]
    return [Task(row["id"], row["answer"], mbpp_tests(row)) for row in rows]


def damaged(task: Task) -> str | None:
    """The program with one operator flipped, or None when it has none."""
    tree = ast.parse(task.program)
    sites: list[tuple[Any, str, int | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in FLIPS:
            sites.append((node, "op", None))
        elif isinstance(node, ast.Compare):
            sites += [(node, "ops", index) for index, op in enumerate(node.ops) if type(op) in FLIPS]
    if not sites:
        return None
    node, field, index = random.Random(task.name).choice(sites)
    if index is None:
        setattr(node, field, FLIPS[type(node.op)]())
    else:
        node.ops[index] = FLIPS[type(node.ops[index])]()
    return ast.unparse(tree)


def run(
    programs: Sequence[tuple[Task, str]], sandbox: Sandbox, workers: int, limits: Limits
) -> tuple[list[CodeOutcome], float]:
    began = time.monotonic()
    found = grade_many([Item(text, task.tests, limits) for task, text in programs], sandbox, workers=workers)
    return found, time.monotonic() - began


def choose(name: str | None) -> Sandbox:
    if name is None:
        return choose_sandbox()
    working = [one for one in candidates() if one.name == name and try_out(one) is None]
    if not working:
        sys.exit(f"{name} does not work here")
    return working[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sandbox", choices=["bubblewrap", "namespaces"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int)
    told = parser.parse_args()
    sandbox, limits, notes = choose(told.sandbox), Limits(cpu_seconds=10), []
    print("| benchmark | sandbox | workers | programs | passed | seconds | programs/s | kinds |")
    print("|---|---|---|---|---|---|---|---|")
    for name, tasks in (("HumanEval", humaneval(told.folder)), ("MBPP test", mbpp(told.folder))):
        tasks = tasks[: told.limit]
        bad = [(task, text) for task in tasks if (text := damaged(task)) is not None]
        for title, programs in ((name, [(task, task.program) for task in tasks]), (f"{name}, damaged", bad)):
            outcomes, seconds = run(programs, sandbox, told.workers, limits)
            passed = sum(outcome.passed is True for outcome in outcomes)
            kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(o.kind for o in outcomes).most_common())
            rate = len(outcomes) / seconds
            cells = (title, sandbox.name, told.workers, len(outcomes), passed, f"{seconds:.1f}", f"{rate:.1f}", kinds)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            if programs is not bad:
                notes += [(t.name, o.failures) for (t, _), o in zip(programs, outcomes, strict=True) if not o.passed]
    for row, failures in notes:
        print(f"\n{row}: " + "; ".join(f"test {f.test} {f.kind}: {f.detail}" for f in failures))


if __name__ == "__main__":
    main()
