"""`AnyGrader`: one grader for answers of every kind, text and programs."""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.verify.outcome import Grade, GradeItem
from sgpo_cli.verify.pool import Grader
from sgpo_cli.verify.programs import ProgramGrader, ProgramItem

AnyItem = GradeItem | ProgramItem


class AnyGrader:
    """Text answers go to the pool of workers, programs to the sandbox; a context manager."""

    def __init__(self, *, workers: int = 2, timeout: float = 5.0, programs: bool = False, unsafe: bool = False) -> None:
        """`programs`: there will be some, so that a missing sandbox is told of now (`UserError`)."""
        self._answers = Grader(workers=workers, timeout=timeout)
        self._workers, self._unsafe = workers, unsafe
        self._programs = ProgramGrader(workers=workers, unsafe=unsafe) if programs else None

    def __enter__(self) -> AnyGrader:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()

    def grade_many(self, items: Sequence[AnyItem]) -> list[Grade]:
        """One grade for each item, in order."""
        programs = [item for item in items if isinstance(item, ProgramItem)]
        answers = [item for item in items if isinstance(item, GradeItem)]
        if programs and self._programs is None:
            self._programs = ProgramGrader(workers=self._workers, unsafe=self._unsafe)
        ran = iter(self._programs.grade_many(programs) if self._programs else [])
        read = iter(self._answers.grade_many(answers))
        return [next(ran) if isinstance(item, ProgramItem) else next(read) for item in items]
