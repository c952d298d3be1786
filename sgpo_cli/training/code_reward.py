"""Reward kind `code`: each rollout's program against its row's tests, in a sandbox.

A program that was not measured (a broken test, a sandbox that failed) is ungraded, never 0. Two rewards over the same
rows (all tests, and their share) run each program once: what was run last is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from sgpo_cli.data.rows import Row
from sgpo_cli.recipe.kinds import RewardCode
from sgpo_cli.verify.code.outcome import Limits
from sgpo_cli.verify.code.task import CodeTask, task_of
from sgpo_cli.verify.outcome import Grade
from sgpo_cli.verify.programs import ProgramGrader, ProgramItem

_KEPT = 4096


def code_scorer(
    reward: RewardCode, rows: Sequence[Row]
) -> Callable[[Sequence[Row], Sequence[str]], list[float | None]]:
    """Scores (rows, responses). The tests of all rows are read, and the sandbox is tried, now.

    Raises:
        UserError: a row without tests, or no sandbox works here and `unsafe` is not set.
    """
    tasks = {row.id: _task(row, reward) for row in rows}
    marks = {name: hashlib.sha256(repr(task).encode()).hexdigest() for name, task in tasks.items()}
    seconds = reward.cpu_seconds
    limits = Limits(seconds, 3 * seconds, max(120.0, 12 * seconds), memory_mib=reward.memory_mib)
    runner = _runner(reward.workers, reward.unsafe)

    def score(rows: Sequence[Row], responses: Sequence[str]) -> list[float | None]:
        items = [ProgramItem(text, tasks[row.id], limits) for row, text in zip(rows, responses, strict=True)]
        return [_value(reward, grade) for grade in runner.grade(items, [marks[row.id] for row in rows])]

    return score


def _task(row: Row, reward: RewardCode) -> CodeTask:
    columns = {**row.extra, "id": row.id, "problem": row.problem, "answer": row.answer}
    return task_of(columns, row.where, reward.tests)


def _value(reward: RewardCode, grade: Grade) -> float | None:
    if grade.outcome is None:
        return None
    return float(grade.outcome) if reward.score == "all" else grade.fraction


class _Runner:
    """A grader that remembers the grades of the last programs."""

    def __init__(self, workers: int, unsafe: bool) -> None:
        self._grader = ProgramGrader(workers=workers, unsafe=unsafe)
        self._kept: dict[tuple[str, str, Limits], Grade] = {}

    def grade(self, items: Sequence[ProgramItem], tasks: Sequence[str]) -> list[Grade]:
        """The grades in order; `tasks` are marks that tell the items' tasks apart."""
        keys = [(task, item.response, item.limits) for task, item in zip(tasks, items, strict=True)]
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in self._kept}
        if len(self._kept) + len(new) > _KEPT:
            self._kept = {key: self._kept[key] for key in keys if key in self._kept}
        grades = self._grader.grade_many(list(new.values()))
        # What was not measured may be measured the next time.
        self._kept |= {key: grade for key, grade in zip(new, grades, strict=True) if grade.outcome is not None}
        fresh = dict(zip(new, grades, strict=True))
        return [self._kept[key] if key in self._kept else fresh[key] for key in keys]


@lru_cache(maxsize=4)
def _runner(workers: int, unsafe: bool) -> _Runner:
    return _Runner(workers, unsafe)
