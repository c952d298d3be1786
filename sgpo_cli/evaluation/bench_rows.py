"""From a row of a data set to a problem of a bench: aliases, several answers, shuffled choices, a program's tests."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.verify.code.outcome import StdinTests
from sgpo_cli.verify.code.task import CodeTask, asserts_of, task_of
from sgpo_cli.verify.quick import quick
from sgpo_cli.verify.surface import canonical, key, number

_ALIASES = ("aliases", "answer_aliases")
_SEVERAL = "is_multiple_answer"
_LETTERS = "ABCDEFGHIJ"
_WORDS = re.compile(r"[^\W\d_]{2,}(?:[\s-]+[^\W\d_]{2,})*")
"""A number in words (`three`, `twenty-one`), which no grader reads: neither digits nor a formula."""


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One problem. `answer` may be a whole solution; grading takes the final answer out of it.

    `several`: the answer lists several, all of which must be given. `task`: a program's tests. `dropped`: aliases
    that contradict the answer and are not used.
    """

    id: str
    problem: str
    answer: str
    aliases: tuple[str, ...] = ()
    several: bool = False
    task: CodeTask | None = None
    dropped: int = 0


def bench_row(card: EvalCard, row: Row, where: str) -> BenchRow:
    """The problem of a row. Raises `UserError` for a row without an answer, a choice or tests where it needs them."""
    if card.grade.kind == "code":
        task = task_of(
            {**row.extra, "id": row.id, "problem": row.problem, "answer": row.answer}, where, card.grade.tests
        )
        return BenchRow(row.id, row.problem, row.answer or "", task=task)
    if row.answer is None or not row.answer.strip():
        raise UserError(
            "a bench's problem needs an answer",
            where=where,
            fix="name its column in the card: `columns: {answer: ...}`",
        )
    if card.columns.choices:
        return _choices(row, card.columns.choices, where)
    told = [row.extra[name] for name in _ALIASES if row.extra.get(name)]
    aliases = tuple(dict.fromkeys(str(alias) for found in told for alias in found))
    several = row.extra.get(card.columns.several or _SEVERAL) is True
    return BenchRow(row.id, row.problem, row.answer, aliases, several)


def without_contradictions(rows: Sequence[BenchRow]) -> list[BenchRow]:
    """The rows without the aliases that are not theirs: another number than the answer, a number for a formula or a
    formula for a number (the grader finds them equal by itself where they are), or another problem's answer. In the
    copies of Minerva that are about, aliases were joined by the problem's text, which the parts of one exercise share.
    """
    answers: dict[str, set[str]] = {}
    for row in rows:
        answers.setdefault(key(canonical(row.answer)), set()).add(row.id)
    found = []
    for row in rows:
        kept = tuple(alias for alias in row.aliases if not _contradicts(row, alias, answers))
        found.append(replace(row, aliases=kept, dropped=len(row.aliases) - len(kept)))
    return found


def _contradicts(row: BenchRow, alias: str, answers: Mapping[str, set[str]]) -> bool:
    mine, other = canonical(row.answer), canonical(alias)
    if quick(mine, other):
        return False
    if key(other) in answers:
        return True
    return number(other) is not None or (number(mine) is not None and not _WORDS.fullmatch(alias.strip()))


def _choices(row: Row, columns: Sequence[str], where: str) -> BenchRow:
    """The question with its choices behind letters, in an order drawn from the row's id: the same for every run."""
    texts = [row.answer, *(row.extra.get(name) for name in columns)]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError(f"a choice is missing: columns {', '.join(columns)}", where=where)
    order = list(range(len(texts)))
    random.Random(f"choices {row.id} {row.problem}").shuffle(order)
    listed = "\n".join(f"{_LETTERS[at]}) {str(texts[index]).strip()}" for at, index in enumerate(order))
    right = str(row.answer).strip()
    return BenchRow(row.id, f"{row.problem.strip()}\n\n{listed}", _LETTERS[order.index(0)], (right,))


def asked(prompt: str, row: BenchRow) -> str:
    """The user's turn (plain replacement: LaTeX is full of braces)."""
    fields: Mapping[str, Any] = {"{problem}": row.problem}
    if row.task is not None:
        fields = {"{tests}": asserts_of(row.task), "{form}": _form(row.task), **fields}
    for name, text in fields.items():
        prompt = prompt.replace(name, text)
    return prompt


def _form(task: CodeTask) -> str:
    """What LiveCodeBench's prompt says of the program's form."""
    if isinstance(task.tests, StdinTests):
        return (
            "Read the inputs from stdin, solve the problem and write the answer to stdout (do not directly test on "
            "the sample inputs). Enclose your code within delimiters as follows.\n```python\n# YOUR CODE HERE\n```"
        )
    return (
        "You will use the following starter code to write the solution to the problem and enclose your code within "
        f"delimiters.\n```python\n{task.starter}\n```"
    )
