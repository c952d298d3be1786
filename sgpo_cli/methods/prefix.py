"""The prefix score (the paper's RTS): how much of a response comes before its first wrong step.

`first_error` is the 0-based index of the first wrong step, -1 when none was found (ProcessBench's convention).
"""

from __future__ import annotations

from collections.abc import Sequence


def steps_score(first_error: int, num_steps: int) -> float:
    """Share of the steps before the first wrong one: first_error/num_steps; 1 when none is wrong, 0 without steps."""
    _check(first_error, num_steps)
    if num_steps == 0:
        return 0.0
    return 1.0 if first_error < 0 else first_error / num_steps


def tokens_score(first_error: int, step_tokens: Sequence[int]) -> float:
    """Share of the response's tokens that lie before the first wrong step; `step_tokens` counts each step's tokens."""
    _check(first_error, len(step_tokens))
    total = sum(step_tokens)
    if total == 0:
        return 0.0
    return 1.0 if first_error < 0 else sum(step_tokens[:first_error]) / total


def _check(first_error: int, num_steps: int) -> None:
    if not (first_error == -1 or 0 <= first_error < num_steps):
        raise ValueError(f"first_error {first_error} of {num_steps} steps")
