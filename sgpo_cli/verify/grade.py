"""The one way a response is graded, in training and in evaluation: `grade`, here in this process.

It has no timeout: hostile formulas can hang computer algebra. `pool.Grader` runs the same two halves, `begin` where
it is and `settle` in worker processes with a hard timeout; use that for responses of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sgpo_cli.verify.choice import grade_choice
from sgpo_cli.verify.exact import grade_exact
from sgpo_cli.verify.extract import extract_answer, gold_answer
from sgpo_cli.verify.outcome import Grade, GradeItem, Reason, decided
from sgpo_cli.verify.quick import quick
from sgpo_cli.verify.several import parts, same_parts, stated_parts
from sgpo_cli.verify.surface import canonical, key


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is left for math-verify: a canonical answer and the canonical golds that quick rules did not settle.

    `several`: the parts of the answer, and the golds are those of the one gold that lists several.
    """

    answer: str
    golds: tuple[str, ...]
    several: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An answer that was found, and the comparison that decides it. `readable`: some other gold was compared."""

    extracted: str
    comparison: Comparison
    readable: bool


def begin(item: GradeItem) -> Grade | Pending:
    """Everything but computer algebra: linear time, no imports, safe in any thread."""
    if item.kind == "exact":
        return grade_exact(item)
    if item.kind == "choice":
        return grade_choice(item)
    extracted = extract_answer(item.response)
    golds = [canonical(gold_answer(gold)) for gold in (item.gold, *item.aliases)]
    golds = [gold for gold in golds if gold]
    if not golds:
        return decided("unparsable_gold", extracted)
    if extracted is None:
        return decided("no_answer", None)
    if item.several and not item.aliases:
        return _begin_several(item, extracted)
    answer = canonical(extracted)
    verdicts = [quick(gold, answer) for gold in golds]
    if any(verdicts):
        return decided("match", extracted)
    unsettled = tuple(gold for gold, verdict in zip(golds, verdicts, strict=True) if verdict is None)
    if not unsettled:
        return decided("mismatch", extracted)
    return Pending(extracted, Comparison(answer, unsettled), readable=len(unsettled) < len(golds))


def _begin_several(item: GradeItem, extracted: str) -> Grade | Pending:
    wanted, given = parts(gold_answer(item.gold)), stated_parts(item.response, extracted)
    if key(canonical(gold_answer(item.gold))) == key(canonical(extracted)):
        return decided("match", extracted)
    verdict = same_parts(wanted, given, quick)
    if verdict is not None:
        return decided("match" if verdict else "mismatch", extracted)
    return Pending(extracted, Comparison("", tuple(wanted), tuple(given)), readable=True)


def settle(comparison: Comparison) -> Reason:
    """The computer algebra: match with any gold; `unparsable_gold` when none of them can be read."""
    from sgpo_cli.verify.math_answer import equal

    if comparison.several is not None:
        return "match" if _same_sets(comparison.golds, comparison.several, equal) else "mismatch"
    verdicts = [equal(gold, comparison.answer) for gold in comparison.golds]
    if any(verdicts):
        return "match"
    return "unparsable_gold" if all(verdict is None for verdict in verdicts) else "mismatch"


def _same_sets(golds: Sequence[str], given: Sequence[str], equal: Callable[[str, str], bool | None]) -> bool:
    """Computer algebra only for the parts that no quick rule has paired: comparing all with all takes seconds."""
    settled = {(one, other): quick(one, other) for one in golds for other in given}

    def same(one: str, other: str) -> bool:
        verdict = settled[one, other]
        return bool(equal(one, other)) if verdict is None else verdict

    gold_left = [one for one in golds if not any(settled[one, other] for other in given)]
    given_left = [other for other in given if not any(settled[one, other] for one in golds)]
    return all(any(same(one, other) for other in given) for one in gold_left) and all(
        any(same(one, other) for one in golds) for other in given_left
    )


def finish(step: Pending, reason: Reason) -> Grade:
    """The grade of an answer once its comparison is settled."""
    if reason == "unparsable_gold" and step.readable:
        reason = "mismatch"
    return decided(reason, step.extracted)


def grade(item: GradeItem) -> Grade:
    """Grades one item here and now, without a timeout."""
    step = begin(item)
    return step if isinstance(step, Grade) else finish(step, settle(step.comparison))
