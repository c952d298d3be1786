"""The class of a group, by its outcomes alone (before any rescue)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Outcome = int | None
"""1 right, 0 wrong, None when the verifier could not tell."""

GroupClass = Literal["all_correct", "all_negative", "mixed", "ungraded"]


def classify(outcomes: Sequence[Outcome]) -> GroupClass:
    """`mixed` as soon as a right and a wrong answer are known; else `ungraded` if any is unknown.

    A group with unknown outcomes is never called all-negative: the unknown one may have been right.
    """
    if not outcomes:
        raise ValueError("a group has at least one rollout")
    known = {outcome for outcome in outcomes if outcome is not None}
    if known == {0, 1}:
        return "mixed"
    if len(known) != 1 or None in outcomes:
        return "ungraded"
    return "all_correct" if known == {1} else "all_negative"
