r"""Answers that are several: `1, 3, 5`, `$(1,2)$ and $(2,1)$`, `\pm 2`. All must be given, in any order.

An answer is cut at the commas, semicolons and "and"/"or" that stand outside of brackets; `\pm x` is two answers. Two
answers are the same when each part of one equals a part of the other (so a repeated part counts once).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sgpo_cli.verify.extract import boxes_of
from sgpo_cli.verify.surface import bracket, canonical

_OPEN, _CLOSE = "([{", ")]}"
_CUT = re.compile(r"\\text\s?\{\s*,?\s*(?:and|or)\s*,?\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])|[,;]", re.IGNORECASE)
_PAIR = re.compile(r"\\[{}]|[()\[\]{}]")
_SIGNS = re.compile(r"\\pm(?![A-Za-z])\s*")
_BETWEEN = re.compile(
    r"(?:[\s$,.;:*-]|\\[()\[\],;]|\\q?quad|\\text\s?\{\s?(?:and|or)\s?\}|\band\b|\bor\b"
    r"|[a-z](?:_\{?\w+\}?)?\s*=)*+",
    re.IGNORECASE,
)
"""What may stand between boxes that are one answer: signs, list marks, `and`, and a name before the next (`x_2 =`)."""
_MEMBER = re.compile(r"^[a-z]\s*\\in(?![A-Za-z])\s*(?=\\\{)")
_MOST = 100


def parts(answer: str) -> list[str]:
    """The canonical parts of an answer, in its order, each once; enclosing set braces are taken off."""
    text = answer.replace("\\{,\\}", ",").replace("$", " ").replace(r"\(", " ").replace(r"\)", " ").strip()
    text = re.sub(r"\\left(?![A-Za-z])|\\right(?![A-Za-z])", "", text).strip(" .")
    text = _MEMBER.sub("", text)
    if bracket(text) == "brace":
        text = text[2:-2]
    found: list[str] = []
    for part in _cut(text):
        for one in _both_signs(part):
            spelled = canonical(one)
            if spelled and spelled not in found:
                found.append(spelled)
        if len(found) >= _MOST:
            break
    return found[:_MOST]


def _cut(text: str) -> list[str]:
    """`text` at its top-level separators. Half-open intervals close with the other bracket, so depth is a count."""
    inside = [0] * (len(text) + 1)
    depth = 0
    for mark in _PAIR.finditer(text):
        opens = mark.group().removeprefix("\\") in _OPEN
        depth = max(0, depth + (1 if opens else -1))
        inside[mark.start()] = 1 if opens else -1
    pieces, start, depth, at = [], 0, 0, 0
    for cut in _CUT.finditer(text):
        depth += sum(inside[at : cut.start()])
        at = cut.start()
        if depth <= 0:
            pieces.append(text[start : cut.start()])
            start = cut.end()
    return [piece.strip() for piece in [*pieces, text[start:]] if piece.strip()]


def _both_signs(part: str) -> list[str]:
    found = _SIGNS.search(part)
    if not found:
        return [part]
    before, after = part[: found.start()], part[found.end() :]
    return [f"{before}+{after}" if before.strip() else after, f"{before}-{after}"]


def stated_parts(response: str, extracted: str) -> list[str]:
    """The parts of a response's answer: of its last box, or of the boxes that stand together at its end
    (``\\boxed{1}, \\boxed{3} and \\boxed{5}``)."""
    boxes = boxes_of(response)
    if len(boxes) < 2:
        return parts(extracted)
    together = [boxes[-1]]
    for before, box in zip(reversed(boxes[:-1]), reversed(boxes), strict=False):
        if not _BETWEEN.fullmatch(response, before[1], box[0]):
            break
        together.insert(0, before)
    found = [part for _, _, content in together for part in parts(content)]
    return list(dict.fromkeys(found))[:_MOST]


def same_parts(gold: Sequence[str], answer: Sequence[str], same: Callable[[str, str], bool | None]) -> bool | None:
    """Whether each part of one equals a part of the other; None when a part stays undecided and it matters."""
    if not gold or not answer:
        return False
    table = [[same(one, other) for other in answer] for one in gold]
    rows = [*table, *([row[at] for row in table] for at in range(len(answer)))]
    if any(all(cell is False for cell in row) for row in rows):
        return False
    return True if all(True in row for row in rows) else None
