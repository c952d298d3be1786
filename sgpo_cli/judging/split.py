"""The step splitter: where the steps of a response begin and end.

The first rule of this list that finds at least two steps wins:

1. **marked steps**: lines that begin with `1.`, `1)`, `(1)`, `**1.**`, `Step 1:`, `### Step 1:`, `**Step 1**`, counted
   upwards at one indentation. `Step k:` also counts after the end of a sentence. When a text has both, the style whose
   first mark comes first wins, so that a list inside `Step 2` does not cut it. What precedes the first mark belongs to
   the first step;
2. **paragraphs**, separated by blank lines; a heading or a rule belongs to the paragraph that it announces;
3. **lines**;
4. **`;`**.

A text none of these divides is one step; a text with no visible character has none. Nothing is ever cut inside
`$..$`, `$$..$$`, `\\(..\\)`, `\\[..\\]`, `\\begin..\\end`, `\\boxed{..}` or a code fence.
Everything is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sgpo_cli.judging.latex import Region, regions

_NUMBERED = re.compile(
    r"^(?P<indent>[ \t]{0,12})(?:\#{1,6}[ ]{1,3})?(?:\*\*|__)?\(?(?P<number>\d{1,3})(?:[.)])(?:\*\*|__)?(?=[ \t*]|$)",
    re.MULTILINE,
)
_STEP = re.compile(
    r"(?:^(?P<indent>[ \t]{0,12})(?:\#{1,6}[ ]{1,3}|[-*][ ]{1,3})?|(?<=[.!?)\]$] ))(?:\*\*|__)?"
    r"step[ ]{1,2}(?:\#[ ]?)?(?P<number>\d{1,3})(?:\*\*|__)?[ ]{0,2}(?:[:.)]|-[ ]|–|—|$|\()",
    re.MULTILINE | re.IGNORECASE,
)
_BLANK = re.compile(r"\n[ \t\r]*\n\s*")
_HEADING = re.compile(r"\s*(?:#{1,6}[ ][^\n]*|[-*_=]{3,})\s*\Z")


def split_spans(text: str) -> list[tuple[int, int]]:
    """Half-open character spans of the steps; they tile the text exactly ([] when it has no visible character)."""
    if not text.strip():
        return []
    whole = _allowed(regions(text))
    for cuts in (_marked(text, whole), _paragraphs(text, whole), _lines(text, whole), _semicolons(text, whole)):
        spans = _tile(text, cuts)
        if len(spans) > 1:
            return spans
    return [(0, len(text))]


def split_steps(text: str) -> list[str]:
    """The steps of a response, without the white space around them: as many as `split_spans` has spans."""
    return [text[start:end].strip() for start, end in split_spans(text)]


def _tile(text: str, cuts: Iterable[int]) -> list[tuple[int, int]]:
    """Spans between the cuts; a span with no visible character is joined to the one before it (or after it)."""
    edges = [0]
    for cut in cuts:
        if edges[-1] < cut < len(text) and text[edges[-1] : cut].strip():
            edges.append(cut)
    if len(edges) > 1 and not text[edges[-1] :].strip():
        edges.pop()
    return list(zip(edges, [*edges[1:], len(text)], strict=True))


class _Allowed:
    """Which positions may be cut; asked in ascending order, so that one walk over the regions answers all."""

    def __init__(self, merged: list[tuple[int, int]]) -> None:
        self._merged = merged

    def among(self, positions: Iterable[int]) -> list[int]:
        kept: list[int] = []
        index = 0
        for position in positions:
            while index < len(self._merged) and self._merged[index][1] <= position:
                index += 1
            if index == len(self._merged) or position <= self._merged[index][0]:
                kept.append(position)
        return kept


def _allowed(found: list[Region]) -> _Allowed:
    merged: list[tuple[int, int]] = []
    for region in found:
        if merged and region.start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], region.end))
        else:
            merged.append((region.start, region.end))
    return _Allowed(merged)


def _marked(text: str, whole: _Allowed) -> list[int]:
    best: list[int] = []
    for pattern in (_NUMBERED, _STEP):
        marks = {mark.start(): mark for mark in pattern.finditer(text)}
        kept = [marks[at] for at in whole.among(sorted(marks))]
        cuts = _counted(kept)
        if len(cuts) > 1 and (not best or cuts[0] < best[0]):
            best = cuts
    return best[1:]


def _counted(marks: list[re.Match[str]]) -> list[int]:
    """The marks that count upwards by one at the first mark's indentation; a list numbered 1, 1, 1 counts too."""
    if not marks:
        return []
    indent = marks[0].group("indent") or ""
    level = [mark for mark in marks if (mark.group("indent") or "") == indent]
    number = int(level[0].group("number"))
    cuts, repeated = [level[0].start()], [level[0].start()]
    for mark in level[1:]:
        value = int(mark.group("number"))
        if value == number + 1:
            cuts.append(mark.start())
            number = value
        elif value == 1:
            repeated.append(mark.start())
    return cuts if len(cuts) > 1 else repeated


def _paragraphs(text: str, whole: _Allowed) -> list[int]:
    cuts = whole.among(mark.end() for mark in _BLANK.finditer(text))
    kept: list[int] = []
    start = 0
    for cut in cuts:
        if not _HEADING.match(text, start, cut):
            kept.append(cut)
        start = cut
    return kept


def _lines(text: str, whole: _Allowed) -> list[int]:
    return whole.among(mark.end() for mark in re.finditer(r"\n", text))


def _semicolons(text: str, whole: _Allowed) -> list[int]:
    return whole.among(mark.end() for mark in re.finditer(r";", text))
