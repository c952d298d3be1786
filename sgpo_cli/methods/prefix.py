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


def earned_score(score: float, given: float) -> float:
    """What a guided rollout earned itself: its prefix score `score` counted from the end of the share `given`.

    (s - g)/(1 - g), in the unit of both: with k of n steps given and the first error at step e, (e - k)/(n - k). 0 when
    nothing of the response is its own, and when the judge finds fault with the given part.
    """
    if not 0.0 <= given <= 1.0:
        raise ValueError(f"share {given} outside [0, 1]")
    return 0.0 if given >= 1.0 else max(0.0, (score - given) / (1.0 - given))


def _check(first_error: int, num_steps: int) -> None:
    if not (first_error == -1 or 0 <= first_error < num_steps):
        raise ValueError(f"first_error {first_error} of {num_steps} steps")
