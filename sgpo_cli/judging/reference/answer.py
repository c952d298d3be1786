"""Is the final answer of a response the reference's, and which step states it first?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sgpo_cli.judging.reference.quantities import calculations, numbers
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.verify.extract import extract_answer
from sgpo_cli.verify.outcome import GradeItem
from sgpo_cli.verify.pool import Grader
from sgpo_cli.verify.surface import canonical, number

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\\*])|\n")
_CONCLUDES = re.compile(
    r"\b(?:therefore|thus|so|hence|consequently|finally|answer|altogether|in total|in conclusion)\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_FORMULA = re.compile(r"\\[A-Za-z(\[{]|[=^_]|\$\D|\d\$")
_PLAIN = re.compile(r"-?[\d.,]+%?")
_ENDS = tuple(".!)]$*}")


@dataclass(frozen=True, slots=True)
class Final:
    """A response's final answer as it is written, and whether it is right; None where that cannot be said."""

    answer: str | None
    right: bool | None
    reason: str = ""


def finals(solutions: Sequence[Solution], grader: Grader) -> list[Final]:
    """The final answers of solutions that have a reference, compared as the math reward compares them."""
    golds = [_gold(solution) for solution in solutions]
    readable = [at for at, gold in enumerate(golds) if gold]
    items = [GradeItem("\n\n".join(solutions[at].steps), golds[at] or "") for at in readable]
    found = [Final(None, None, "the reference states no final answer")] * len(solutions)
    for at, grade in zip(readable, grader.grade_many(items), strict=True):
        if grade.reason == "no_answer":
            found[at] = _concluded(solutions[at].steps, golds[at] or "")
        elif grade.outcome is None:
            found[at] = Final(grade.extracted, None, f"the final answer could not be compared ({grade.reason})")
        else:
            found[at] = Final(grade.extracted, grade.outcome == 1)
    return found


def _gold(solution: Solution) -> str | None:
    return solution.answer or extract_answer(solution.reference or "")


def _concluded(steps: Sequence[str], gold: str) -> Final:
    """The answer of a response that marks none, from its closing sentence: "Thus she has 12 left."

    Right when it ends in the gold number, or when another gold answer is written there. Wrong only when it is in plain
    words with one number, and that is another one: a formula may speak of something else.
    """
    text = steps[-1].strip() if steps else ""
    closing = _SENTENCE.split(text)[-1]
    wanted = canonical(gold)
    value, stated = number(wanted), _NUMBER.findall(closing)
    if not _CONCLUDES.search(closing) or not text.endswith(_ENDS):
        return Final(None, None, "no final answer found")
    if value and _PLAIN.fullmatch(wanted):
        if len(stated) == 1 and not _FORMULA.search(closing):
            return Final(stated[0], numbers(closing) == {abs(value.value)})
        if stated and numbers(stated[-1]) == {abs(value.value)}:
            return Final(gold, True)
    elif re.search(rf"(?<![\w.\\]){re.escape(wanted)}(?![\w(]|\.\d)", canonical(closing)):
        return Final(gold, True)
    return Final(None, None, "no final answer found")


def stated_at(steps: Sequence[str], answer: str) -> int:
    """The first of the closing steps that state `answer`: those that go on stating it up to the end.

    A step that calculates its value comes before: what it calculated may be right, and not what was asked.
    """
    last = next((at for at in reversed(range(len(steps))) if extract_answer(steps[at]) == answer), len(steps) - 1)
    found = number(canonical(answer))
    if not found:
        return last
    value, at = abs(found.value), last
    while at > 0 and value in numbers(steps[at - 1]):
        at -= 1
    while at < last and any(value in one.values and one.operands for one in calculations(steps[at])):
        at += 1
    return at
