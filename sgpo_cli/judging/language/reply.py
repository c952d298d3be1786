"""Reads a model's answer: one JSON object that names the first wrong step, or why the answer cannot be used.

Tolerant of what surrounds the object (`<think>` blocks, code fences, prose), strict about the object itself: two
answers, a number out of range, 2.0, "2", true or null for a number, an object within a broken one are all outside the
schema. Nothing is guessed; a model is asked again instead.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

KEY = "first_error"
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_OBJECT = re.compile(r'\{\s*"')
_MOST_BROKEN = 50  # beginnings of an object that are tried; each may cost a walk over the rest of the text
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Found:
    """A valid answer: the first wrong step, 0-based, -1 for none; `check` is what the model said about it."""

    first_error: int
    check: str | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer outside the schema; `fault` completes the sentence "that answer could not be used: ..."."""

    fault: str


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, a key that comes twice included."""

    def values(self, key: str) -> list[Any]:
        return [value for name, value in self if name == key]


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)


def read_answer(text: str, num_steps: int) -> Found | Unusable:
    """What an answer about `num_steps` steps says; steps are numbered from 1 in it, with 0 for none."""
    said = text.rpartition("</think>")[2].strip()
    if said.startswith("<think>"):
        return Unusable("it ends within <think>")
    if not said:
        return Unusable("it is empty")
    objects = _answers(said)
    if isinstance(objects, Unusable):
        return objects
    numbers = [value for found in objects for value in found.values(KEY)]
    if not numbers:
        return Unusable(f'it holds no JSON object with "{KEY}"')
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int):
            return Unusable(f"{KEY} is {_show(number)}, not a whole number")
        if not 0 <= number <= num_steps:
            return Unusable(f"{KEY} is {_show(number)}, and the steps are numbered from 1 to {num_steps}")
    if len(set(numbers)) > 1:
        return Unusable(f"it names different steps: {', '.join(map(str, dict.fromkeys(numbers)))}")
    return Found(numbers[0] - 1, _check(objects))


def _answers(text: str) -> list[_Pairs] | Unusable:
    """The objects that have the key, none of them within other braces."""
    found: list[_Pairs] = []
    at = depth = broken = 0
    while brace := _BRACE.search(text, at):
        at = brace.end()
        if brace[0] == "}":
            depth -= 1
        elif brace[0] == "{":
            read = _object(text, brace.start())
            if read is None:
                depth += 1
                broken += _OBJECT.match(text, brace.start()) is not None
            else:
                pairs, at = read
                if pairs.values(KEY):
                    if depth != 0:
                        return Unusable("its JSON is broken")
                    found.append(pairs)
        if broken > _MOST_BROKEN or (depth < 0 and found):
            return Unusable("its JSON is broken")
    return found


def _object(text: str, start: int) -> tuple[_Pairs, int] | None:
    """The JSON object that begins at `start`, and where it ends."""
    if not _OBJECT.match(text, start):
        return None
    try:
        pairs, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
        return None
    return pairs, end


def _check(objects: list[_Pairs]) -> str | None:
    """What the model said, on one line, shortened."""
    words = [value for found in objects for value in found.values("check") if isinstance(value, str)]
    line = " ".join(words[-1].split()) if words else ""
    if not line:
        return None
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."


def _show(value: object) -> str:
    """A value as JSON, shortened; objects and lists by their kind."""
    if isinstance(value, _Pairs):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a huge number"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
