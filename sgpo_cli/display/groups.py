"""Groups of rollouts as rollouts.jsonl holds them: the class of a group by outcome, and whether it was rescued."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from sgpo_cli.display.words import visible

Row = Mapping[str, Any]
GroupClass = Literal["all_correct", "all_negative", "mixed", "ungraded"]


def groups_of(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Whole groups, in the file's order (a group's rows stand together); reads as it goes."""
    for _, group in groupby(rows, key=lambda row: (row["step"], row["group"])):
        yield list(group)


def class_of(group: Sequence[Row]) -> GroupClass:
    """By outcome alone: mixed as soon as both 0 and 1 are known; else ungraded when any outcome is not known."""
    outcomes = {row.get("outcome") for row in group}
    if {0, 1} <= outcomes:
        return "mixed"
    if None in outcomes:
        return "ungraded"
    return "all_correct" if 1 in outcomes else "all_negative"


def was_rescued(group: Sequence[Row]) -> bool:
    """An all-negative group that got a non-zero advantage."""
    return class_of(group) == "all_negative" and any(row.get("advantage") for row in group)


def part_was_rescued(group: Sequence[Row]) -> bool:
    """A group that a guided rollout keeps from being all-negative, whose unguided ones were rescued by themselves."""
    return class_of(group) != "all_negative" and any(r.get("reason") == "rescued" and r.get("advantage") for r in group)


def class_words(group: Sequence[Row]) -> str:
    """`all-negative, rescued`, `all-negative: no signal`, `mixed`, ..."""
    kind = class_of(group)
    if part_was_rescued(group):
        return f"{kind}, its unguided rollouts rescued"
    if kind == "all_negative":
        return "all-negative, rescued" if was_rescued(group) else "all-negative: no signal"
    if kind == "all_correct":
        return "all-correct: no signal"
    return kind


REASONS = {
    "no_contrast": "every reward of its group is the same",
    "equal_scores": "the group's prefix scores are all equal",
    "ungraded": "the verifier could not tell",
    "graded": "graded by its prefix score",
    "abstained": "no verdict: outside the baseline",
    "truncated": "cut off: outside the baseline",
    "alone": "nothing left in the group to compare with",
    "fallback": "too many abstentions: plain GRPO in this step",
    "untrusted": "the judge's record gives it no weight: left as plain GRPO has it",
}


def shared_reason(group: Sequence[Row]) -> str | None:
    """The reason that every rollout of a group has, which is then said once; None when they differ or need no words."""
    found = {reason_words(row) for row in group}
    return found.pop() if len(found) == 1 else None


def reason_words(row: Row) -> str | None:
    """Why a rollout got its advantage, when the group's class does not say it already."""
    reason = row.get("reason")
    return (
        None
        if reason in (None, "verified", "rescued")
        else REASONS.get(str(reason), visible(str(reason).replace("_", " ")))
    )
