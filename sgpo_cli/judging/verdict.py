"""What a judge is given, what it answers, and the protocol between the two.

The verdict follows the ProcessBench convention (arXiv 2412.06559): `first_error` is the 0-based index of the first
wrong step, -1 when none was found. The prefix score is the SGPO paper's RTS (arXiv 2505.11595), always in steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Solution:
    """One response, split into steps. It has no place for a label: labels never reach a judge."""

    problem: str
    steps: tuple[str, ...]
    reference: str | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's answer for one response.

    `first_error`: 0-based index of the first wrong step, -1 for none found, None when abstained; `checked`: how many
    of the `num_steps` steps the judge could examine; `reason`: why it abstained, or what is wrong with that step.
    Raises ValueError when the fields contradict each other.
    """

    first_error: int | None
    num_steps: int
    checked: int
    abstained: bool
    reason: str | None
    judge: str

    def __post_init__(self) -> None:
        if self.num_steps < 0 or not 0 <= self.checked <= self.num_steps:
            raise ValueError(f"checked {self.checked} of {self.num_steps} steps")
        if self.abstained != (self.first_error is None):
            raise ValueError("first_error is None exactly when the judge abstained")
        if self.abstained and not self.reason:
            raise ValueError("an abstention needs a reason")
        if self.first_error is not None and not -1 <= self.first_error < self.num_steps:
            raise ValueError(f"first_error {self.first_error} with {self.num_steps} steps")

    @classmethod
    def found(
        cls, first_error: int, *, num_steps: int, judge: str, checked: int | None = None, reason: str | None = None
    ) -> Verdict:
        """A verdict that names the first wrong step (-1: none); `checked` defaults to every step."""
        return cls(first_error, num_steps, num_steps if checked is None else checked, False, reason, judge)

    @classmethod
    def abstain(cls, reason: str, *, num_steps: int, judge: str, checked: int = 0) -> Verdict:
        return cls(None, num_steps, checked, True, reason, judge)

    @property
    def prefix_score(self) -> float | None:
        """Share of the steps before the first wrong one: 1 when none is wrong, 0 without steps, None when abstained."""
        if self.first_error is None:
            return None
        if self.num_steps == 0:
            return 0.0
        return 1.0 if self.first_error < 0 else self.first_error / self.num_steps

    def to_json(self) -> dict[str, int | float | bool | str | None]:
        return {
            "first_error": self.first_error,
            "num_steps": self.num_steps,
            "prefix_score": self.prefix_score,
            "checked": self.checked,
            "abstained": self.abstained,
            "reason": self.reason,
            "judge": self.judge,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, object]) -> Verdict:
        """The verdict of a written row; raises ValueError when a field is missing, mistyped or contradictory."""
        first_error, reason, abstained = row.get("first_error"), row.get("reason"), row.get("abstained")
        if not (first_error is None or _is_int(first_error)) or not (reason is None or isinstance(reason, str)):
            raise ValueError(f"not a verdict: {dict(row)}")
        if not isinstance(abstained, bool):
            raise ValueError(f"not a verdict: {dict(row)}")
        verdict = cls(
            first_error=first_error if isinstance(first_error, int) else None,
            num_steps=_integer(row, "num_steps"),
            checked=_integer(row, "checked"),
            abstained=abstained,
            reason=reason,
            judge=str(row.get("judge")),
        )
        if row.get("prefix_score") != verdict.prefix_score:
            raise ValueError(f"prefix_score contradicts first_error and num_steps: {dict(row)}")
        return verdict


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(row: Mapping[str, object], key: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} of a verdict is not an integer: {value!r}")
    return value


class Judge(Protocol):
    """Anything that finds the first wrong step; a judge that fails abstains, it never raises for one solution."""

    name: str

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict for each solution, in order."""
        ...
