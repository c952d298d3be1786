"""What grading one response takes and gives: `GradeItem` in, `Grade` out.

A response that could not be graded (the gold answer is unreadable, the comparison timed out or crashed) has outcome
None, never 0: it is recorded and counted, and leaves the averages. Programs are graded by their tests
(`programs.ProgramItem`): there a timeout is the program's own, and wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["math", "exact", "choice"]
Reason = Literal["match", "mismatch", "no_answer", "timeout", "unparsable_gold", "error"]

REASONS: tuple[Reason, ...] = get_args(Reason)
_OUTCOMES: dict[Reason, int] = {"match": 1, "mismatch": 0, "no_answer": 0}


@dataclass(frozen=True, slots=True)
class GradeItem:
    """One response with what it is graded against.

    `gold` may be the bare answer or a whole reference solution (kind math takes the final answer out of it);
    `aliases` are other right answers; `marker` is what the final answer stands behind, kind exact only; `several`:
    the gold lists several answers, all of which must be given, in any order (kind math). Kind choice: `gold` is the
    letter, `aliases` the texts of that choice.
    """

    response: str
    gold: str
    kind: Kind = "math"
    aliases: tuple[str, ...] = ()
    marker: str = "#"
    several: bool = False


@dataclass(frozen=True, slots=True)
class Grade:
    """`outcome`: 1 right, 0 wrong, None ungraded. `extracted`: the answer found in the response, None = none.

    `reason` is one of REASONS; of a program `passed`, `no_code`, or the kind of its first failure. `fraction` is the
    share of a program's tests that it passed, `detail` a line on what failed; None for other answers.
    """

    outcome: int | None
    extracted: str | None
    reason: str
    fraction: float | None = None
    detail: str | None = None


def decided(reason: Reason, extracted: str | None) -> Grade:
    """The grade that `reason` stands for: match is 1, mismatch and no_answer are 0, all else is ungraded."""
    return Grade(_OUTCOMES.get(reason), extracted, reason)
