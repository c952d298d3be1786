r"""Where a ground-truth trace gives its answer away: the part of it that guidance never injects.

The released G2RPO-A code rewards text that holds up to 3072 tokens of trace, answer and all. Here a trace's end is
held back, from the first of these on:

- its last step;
- the first **marked** final answer, anywhere: a ``\boxed{...}`` (unless it holds another number), or a line
  ``#### A``, ``A: A`` or "the answer is A" (`verify.extract` reads them) that holds the answer;
- whatever stands right before those and **arrives** at the answer: while what is left ends in a step that mentions it,
  or the last value in it, or the last one behind a ``=``, is the answer, one more step is held back.

An earlier mention with other values behind it does not count: a small number stands anywhere.

Numbers are compared as numbers (``990.00`` is 990 is ``\$990``, ``\frac{1}{2}`` is 0.5 is 50%), all else as spelled
after `surface.canonical`. Not seen: numbers in words, sums that are not worked out, other forms of a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sgpo_cli.verify.extract import extract_answer, gold_answer
from sgpo_cli.verify.quick import quick, same_number
from sgpo_cli.verify.surface import Number, canonical, number

Span = tuple[int, int]

_MARK = re.compile(
    r"(?P<box>\\(?:boxed|fbox|framebox)(?![A-Za-z]))|^[^\n#]{0,40}+####|^[ \t*]*+A:|\banswers?\b",
    re.MULTILINE | re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][$)\]]*\s+")
_SEPARATOR = re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\[,!]|,)(?=\d{3}(?!\d))")
_VALUE = re.compile(
    r"(?<![\w.])(?<!_\{)(?:\\[dtc]?frac\s?(?:\{\s?-?\d{1,30}\s?\}\s?\{\s?-?\d{1,30}\s?\}|\d\d)"
    r"|\d{1,30}\s?/\s?\d{1,30}|(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:\s?\\?%)?)(?!\d|\.\d)"
)
_FRAC = re.compile(r"\\[dtc]frac")
_EQUALS = re.compile(r"(?:=|>>|\\approx|≈)[\s$({+-]*\Z")
_SIDE = re.compile(r"[A-Za-z](?:\([A-Za-z]\))?\s?=(?!=)")
_TOKEN = re.compile(r"\\[A-Za-z]+|\d+|[^\W\d_]+|\S")


@dataclass(frozen=True, slots=True)
class Withheld:
    steps: int
    """Steps at the trace's end that are never given: at least 1, at most all of them (1 when there are none)."""
    start: int
    """The character from which it is never given when it is cut at tokens."""


def withheld(trace: str, spans: Sequence[Span], answer: str | None) -> Withheld:
    """What is never given of a trace.

    Args:
        trace: the solution's text.
        spans: its steps, half-open, as the splitter tiles them; none when the trace is empty.
        answer: the row's answer, which may be a whole solution; None takes what the trace itself states.

    Most human solutions of MATH are one paragraph, one step to the splitter; in others the first step states the
    answer already. In tokens such a trace is taken sentence by sentence, so that its beginning can still be given.
    """
    if not spans:
        return Withheld(1, 0)
    final = _final(trace, answer)
    mark = None if final is None else _first_mark(trace, final)
    first = _first_hidden(trace, spans, final, mark)
    start = spans[first][0]
    if first == 0:
        edges = [0, *(found.end() for found in _SENTENCE_END.finditer(trace) if trace[found.end() :].strip())]
        sentences = list(zip(edges, [*edges[1:], len(trace)], strict=True))
        start = sentences[_first_hidden(trace, sentences, final, mark)][0]
    return Withheld(len(spans) - first, start)


def _final(trace: str, answer: str | None) -> _Answer | None:
    """The final answer; None when nobody states one."""
    if answer is None or not answer.strip():
        stated = extract_answer(trace)
    else:
        stated = gold_answer(answer)
        if stated.count("\n") or len(stated.split()) > 12:  # a solution without box or ####: what it states in words
            stated = extract_answer(answer) or stated
    return None if stated is None or not stated.strip() else _Answer(stated)


def _first_mark(trace: str, final: _Answer) -> int | None:
    """The character where the first marked final answer begins."""
    marks = list(_MARK.finditer(trace))
    ends = [*(mark.start() for mark in marks), len(trace)][1:]
    for mark, end in zip(marks, ends, strict=True):
        text = trace[mark.start() : end]
        if mark["box"]:
            stated = extract_answer(text)
            if stated is None or quick(final.spelling, canonical(stated)) is not False:
                return mark.start()
        else:
            stated = extract_answer(text.partition("\n")[0])
            if stated is not None and final.look(stated).mentioned:
                return mark.start()
    return None


def _first_hidden(trace: str, spans: Sequence[Span], final: _Answer | None, mark: int | None) -> int:
    """The first of the spans that is never given."""
    first = len(spans) - 1
    if mark is not None:
        first = next(index for index, (_, end) in enumerate(spans) if mark < end)
    if final is None:
        return first
    while first and _arrives(final.look(trace[start:end]) for start, end in reversed(spans[:first])):
        first -= 1
    return first


def _arrives(backwards: Iterable[_Seen]) -> bool:
    """Whether steps, given from the last to the first, end at the answer."""
    last: bool | None = None
    computed: bool | None = None
    for index, step in enumerate(backwards):
        if index == 0 and step.mentioned:
            return True
        last = step.last if last is None else last
        computed = step.computed if computed is None else computed
        if last is not None and computed is not None:
            break
    return bool(last or computed)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a piece of text says about the answer."""

    mentioned: bool
    last: bool | None = None
    """Whether the last value in it is the answer; None when it has no value. False when the answer is no number."""
    computed: bool | None = None
    """The same of the last value behind an equals sign."""


class _Answer:
    """A final answer, to be found in text."""

    def __init__(self, stated: str) -> None:
        self.spelling = canonical(stated)
        side = _SIDE.match(self.spelling)  # of "y = 2x + 3" the right side tells as much
        body = self.spelling[side.end() :].strip() if side else self.spelling
        self.number = number(body)
        words = r"\s*".join(re.escape(token) for token in _TOKEN.findall(body or self.spelling))
        self.words = re.compile(rf"(?<![\w.]){words}(?!\w|\.\d)")
        self.look = lru_cache(maxsize=None)(self._look)

    def _look(self, text: str) -> _Seen:
        if self.number is None:
            return _Seen(bool(self.words.search(canonical(text))), False, False)
        text = _SEPARATOR.sub("", text)
        seen = _Seen(False)
        for value in _VALUE.finditer(text):
            before = text[max(0, value.start() - 12) : value.start()]
            same = self._same(value.group(), before)
            computed = same if _EQUALS.search(before) else seen.computed
            seen = _Seen(seen.mentioned or same, same, computed)
        return seen

    def _same(self, value: str, before: str) -> bool:
        assert self.number is not None
        found = number(_FRAC.sub(r"\\frac", value).replace(r"\%", "%"))
        if found is None:
            return False
        if self.number.value < 0 and not (found.value < 0 or before.rstrip(" $({")[-1:] in ("-", "−")):
            return False
        return same_number(_absolute(self.number), _absolute(found))


def _absolute(one: Number) -> Number:
    return replace(one, value=abs(one.value))
