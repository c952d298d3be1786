"""Grading programs as answers are graded: `ProgramItem` in, `Grade` out, in a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sgpo_cli.verify.code.choice import choose_sandbox
from sgpo_cli.verify.code.grade import grade_many
from sgpo_cli.verify.code.outcome import CodeOutcome, Item, Limits
from sgpo_cli.verify.code.sandbox import Sandbox
from sgpo_cli.verify.code.task import CodeTask, program_of
from sgpo_cli.verify.outcome import Grade


@dataclass(frozen=True, slots=True)
class ProgramItem:
    """One response that should hold a program, the task with its tests, and what a program may use."""

    response: str
    task: CodeTask
    limits: Limits = field(default_factory=Limits)


class ProgramGrader:
    """Runs each response's program against its tests. The sandbox is chosen when it is made, so that a machine
    without one is told of before anything is sampled.

    `Grade.outcome` is 1 when all tests pass, None when nothing was measured (the sandbox failed, a broken test).
    """

    def __init__(self, *, workers: int = 2, unsafe: bool = False) -> None:
        """Raises `UserError` when no sandbox holds here and `unsafe` is not set."""
        self._workers = workers
        self.sandbox: Sandbox = choose_sandbox(unsafe)

    def grade_many(self, items: Sequence[ProgramItem]) -> list[Grade]:
        """One grade for each item, in order; equal programs of a task are run once."""
        programs = [program_of(item.task, item.response) for item in items]
        places: dict[tuple[str, int], int] = {}
        work: list[Item] = []
        for item, program in zip(items, programs, strict=True):
            if program is not None and (program, id(item.task)) not in places:
                places[program, id(item.task)] = len(work)
                work.append(Item(program, item.task.tests, item.limits))
        found = grade_many(work, self.sandbox, workers=self._workers)
        return [
            Grade(0, None, "no_code", 0.0, "the response holds no program")
            if program is None
            else _grade(program, found[places[program, id(item.task)]])
            for item, program in zip(items, programs, strict=True)
        ]


def _grade(program: str, outcome: CodeOutcome) -> Grade:
    passed = None if outcome.passed is None else int(outcome.passed)
    first = outcome.failures[0] if outcome.failures else None
    detail = None if first is None else f"test {first.test}: {first.detail}"
    return Grade(passed, program, outcome.kind, outcome.fraction, detail)
