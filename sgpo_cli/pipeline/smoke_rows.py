"""The rows that a smoke run reads in place of its data: sums, with the columns and tests that are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.recipe.kinds import RewardCode
from sgpo_cli.recipe.schema import Columns, Recipe
from sgpo_cli.runs.files import to_json, write_text

_LABELS = 24
_OTHERS = 7
"""A wrong choice is so much off, the next one twice as much."""


def train_rows(recipe: Recipe, count: int) -> list[dict[str, Any]]:
    """Sums to train on, in the recipe's columns; with tests where a reward runs programs."""
    columns = recipe.data.columns
    code = next((reward for reward in recipe.reward if isinstance(reward, RewardCode)), None)
    rows = []
    for index in range(count):
        a, b = _numbers(index)
        row = _named(columns, index)
        # Guidance may give the first line, which does not tell the answer and fits 16 tokens of a byte each.
        if columns.solution:
            row[columns.solution] = f"Add {a} and {b}.\n{a} + {b} = {a + b}.\nThe answer is $\\boxed{{{a + b}}}$."
        if columns.answer and columns.answer not in row:
            row[columns.answer] = str(a + b)
        if columns.difficulty:
            row[columns.difficulty] = index
        rows.append({**row, **(_tests(code.tests or "mbpp", a, b) if code is not None else {})})
    return rows


def bench_rows(card: EvalCard, count: int) -> list[dict[str, Any]]:
    """Sums in a card's columns: as a question with choices, or with tests, where the card grades these."""
    columns = card.columns
    rows = []
    for index in range(count):
        a, b = _numbers(index)
        row = _named(Columns(problem=columns.problem, id=columns.id), index)
        if columns.answer:
            row[columns.answer] = str(a + b)
        for nth, name in enumerate(columns.choices or (), start=1):
            row[name] = str(a + b + nth * _OTHERS)
        if columns.several:
            row[columns.several] = False
        row |= dict(card.keep)
        rows.append({**row, **(_tests(card.grade.tests or "mbpp", a, b) if card.grade.kind == "code" else {})})
    return rows


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSONL, a row a line."""
    write_text(path, "\n".join(to_json(row) for row in rows) + "\n")


def _numbers(index: int) -> tuple[int, int]:
    return 3 + index, 4 + 2 * index


def _named(columns: Columns, index: int) -> dict[str, Any]:
    a, b = _numbers(index)
    row: dict[str, Any] = {columns.problem: f"What is {a} + {b}?"}
    if columns.id:
        row[columns.id] = f"sum-{index}"
    return row


def _tests(form: str, a: int, b: int) -> dict[str, Any]:
    """The columns of one benchmark's tests, for a program that adds."""
    if form == "humaneval":
        return {"test": f"def check(f):\n    assert f({a}, {b}) == {a + b}\n", "entry_point": "add"}
    if form == "mbpp":
        return {"test_list": [f"assert add({a}, {b}) == {a + b}"]}
    case = {"input": f"{a} {b}\n", "output": f"{a + b}\n"}
    if form == "livecodebench":
        return {"public_test_cases": to_json([{**case, "testtype": "stdin"}])}
    return {"verification_info": {"language": "python", "test_cases": [{**case, "type": "stdin_stdout"}]}}


def train_briefly(train: dict[str, Any], path: Path) -> list[str]:
    """Makes section `judge.train` learn for four steps from synthetic labels, written to `path`, of both kinds: nobody
    labels anything. What was changed, one sentence each."""
    rows = []
    for index in range(_LABELS):
        a, b = _numbers(index)
        off = index % 2
        steps = [f"{a} + {b} = {a + b + off}.", f"The answer is {a + b + off}."]
        rows.append({"problem": f"What is {a} + {b}?", "steps": steps, "first_error": 0 if off else -1})
    write_rows(path, rows)
    train.update(labels=str(path), format="sgpo", steps=4, batch_size=4, least=4, heldout=0.2, save_every=2)
    return [f"judge.train: 4 steps on {_LABELS} synthetic labels ({path})"]
