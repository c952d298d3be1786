"""How many units of a trace one rollout really gets, and why fewer than asked.

Guidance must never give the answer away, so the end of a trace is held back; from where on is for `verify.giveaway`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sgpo_cli.methods.guidance.rounding import half_up

CutReason = Literal["no_trace", "short_trace", "answer", "budget"]
"""Why a prefix is shorter than asked. no_trace: the trace is empty. short_trace: it has fewer units than asked. answer:
it has them, but the last ones would tell the answer, or all of them would. budget: the rollout has no room for more."""


@dataclass(frozen=True, slots=True)
class Cut:
    units: int
    """Units given."""
    asked: int
    """Units asked for, whole ones."""
    reason: CutReason | None
    """None when all that was asked for is given."""


def cut(length: float, trace_units: int, *, reserve: int, room: int | None = None) -> Cut:
    """The units of a trace that a rollout starts from: `length` rounded half up, at most what may be given.

    Args:
        length: what the schedule asks for, >= 0.
        trace_units: units of the whole trace.
        reserve: units at its end that are never given, at least 1 (see `verify.giveaway`).
        room: units that fit the rollout's budget with one token left to sample; None when the budget is extra.
    """
    if length < 0.0 or trace_units < 0 or reserve < 1 or (room is not None and room < 0):
        raise ValueError(f"cut({length}, {trace_units}, reserve={reserve}, room={room})")
    asked = half_up(length)
    if asked == 0:
        return Cut(0, 0, None)
    if trace_units == 0:
        return Cut(0, asked, "no_trace")
    may = max(trace_units - reserve, 0)
    if room is not None and room < min(asked, may):
        return Cut(room, asked, "budget")
    if asked <= may:
        return Cut(asked, asked, None)
    return Cut(may, asked, "short_trace" if asked > trace_units and may else "answer")
