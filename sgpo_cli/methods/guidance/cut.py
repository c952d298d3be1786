"""How many units of a trace one rollout really gets, and why fewer than asked.

Guidance must never give the answer away: the released G2RPO-A code rewards text that holds up to 3072 tokens of trace,
answer and all. So the trace's end, from the step that first states the final answer there, is held back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sgpo_cli.methods.guidance.rounding import half_up

CutReason = Literal["no_trace", "short_trace", "answer", "budget"]
"""Why a prefix is shorter than asked. no_trace: the trace is empty. short_trace: it has fewer units than asked. answer:
it has them, but the last ones would tell the answer. budget: the rollout has no room for more."""


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
        reserve: units at its end that are never given, at least 1 (see `answer_reserve`).
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
    return Cut(may, asked, "short_trace" if asked > trace_units else "answer")


def answer_reserve(steps: Sequence[str], answer: str | None) -> int:
    """How many steps at the trace's end are never given: the last, and those right before it that state the answer.

    On task `hops` that is the answer's line and the hop that arrives at it; in a human solution the line `#### 72` and
    the computation that ends in 72. Earlier mentions do not count: a small number stands anywhere. At least 1, at
    most all steps (1 when there are none). For tokens, reserve those of these steps.
    """
    if not steps:
        return 1
    reserve = 1
    if answer is not None and answer.strip():
        stated = re.compile(rf"(?<![\w.]){re.escape(_plain(answer))}(?!\w|\.\d)")
        while reserve < len(steps) and stated.search(_plain(steps[-1 - reserve])):
            reserve += 1
    return reserve


def _plain(text: str) -> str:
    """Without thousands separators, so that 1,200 is 1200; runs of blanks are one."""
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", " ".join(text.split()))


def hidden_from(trace: str, spans: Sequence[tuple[int, int]], answer: str | None) -> int:
    """The character from which a trace is never given, for guidance in tokens: only those that end before it may be.

    `spans` are the trace's steps (half-open, as the splitter tiles them). Most human solutions of MATH are one
    paragraph, one step to the splitter: such a trace is taken sentence by sentence instead, so that its beginning can
    still be given.
    """
    if len(spans) <= 1:
        edges = [0, *(found.end() for found in _SENTENCE_END.finditer(trace) if trace[found.end() :].strip())]
        spans = list(zip(edges, [*edges[1:], len(trace)], strict=True))
    reserve = answer_reserve([trace[start:end] for start, end in spans], answer)
    return spans[-reserve][0]


_SENTENCE_END = re.compile(r"[.!?][$)\]]*\s+")
