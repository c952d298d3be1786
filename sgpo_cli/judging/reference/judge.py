"""The `reference` judge: where a wrong response leaves the quantities of the reference solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from sgpo_cli.errors import UserError
from sgpo_cli.judging.arithmetic.judge import ArithmeticJudge
from sgpo_cli.judging.reference.answer import Final, finals, stated_at
from sgpo_cli.judging.reference.quantities import Calculation, Values, calculations, quantities
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.verify.pool import Grader

NAME = "reference"
_TRIVIAL = frozenset({Fraction(0), Fraction(1)})


@dataclass(frozen=True, slots=True)
class _Known:
    """`values`: what problem and reference print or calculate; `derived`: of these, what the problem does not print."""

    values: Values
    derived: Values

    def has(self, calculation: Calculation) -> bool:
        return not self.values.isdisjoint(calculation.values)

    def reaches(self, calculation: Calculation) -> bool:
        """Does it arrive at something that the reference, too, had to work out?"""
        return len(calculation.operands) > 1 and not calculation.values.isdisjoint(self.derived)


@lru_cache(maxsize=512)  # the responses of a group share it
def _known(problem: str, reference: str) -> _Known:
    given, worked_out = quantities(problem), quantities(reference)
    return _Known(given | worked_out, worked_out - given - _TRIVIAL)


class ReferenceJudge:
    """Compares the final answer, and where it is wrong the quantities that each step calculates.

    - Right answer: no error, unless an equation is false.
    - Wrong answer: the first step that states a false equation, or calculates something that is neither in the problem
      nor in the reference and from which no later step goes on to a result of the reference (that would be another way
      to it); where there is none, the step that states the answer.
    - No reference, or no answer to compare, and no false equation: it abstains.
    """

    name = NAME

    def __init__(self) -> None:
        self._arithmetic = ArithmeticJudge()
        self._grader = Grader()

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        shown = [at for at, solution in enumerate(solutions) if solution.reference]
        found = dict(zip(shown, finals([solutions[at] for at in shown], self._grader), strict=True))
        return [self._one(solution, found.get(at)) for at, solution in enumerate(solutions)]

    def close(self) -> None:
        """Ends the processes that compare formulas."""
        self._grader.close()

    def _one(self, solution: Solution, final: Final | None) -> Verdict:
        steps = solution.steps
        if final is None or not solution.reference:
            return Verdict.abstain("no reference solution", num_steps=len(steps), judge=self.name)
        if not steps:
            return Verdict.found(-1, num_steps=0, judge=self.name)
        calculated = [calculations(step) for step in steps]
        compared = {at for at, found in enumerate(calculated) if found}
        errors: list[tuple[int, str]] = []
        false = self._arithmetic.judge_one(solution)
        if false.first_error is not None and false.first_error >= 0:
            errors.append((false.first_error, f"false: {false.reason}"))
        if final.right is None and not errors:
            return Verdict.abstain(final.reason, num_steps=len(steps), judge=self.name)
        if final.answer is not None:
            at = stated_at(steps, final.answer)
            compared.add(at)
            if final.right is False:
                errors.append((at, f"not the reference's answer: {final.answer[:80]}"))
                errors += _strays(calculated, _known(solution.problem, solution.reference))
        first, reason = min(errors, key=lambda error: error[0], default=(-1, None))
        return Verdict.found(
            first, num_steps=len(steps), checked=len(compared | {first} - {-1}), judge=self.name, reason=reason
        )


def _strays(steps: Sequence[Sequence[Calculation]], known: _Known) -> list[tuple[int, str]]:
    """The first step that calculates what is unknown and leads nowhere, and what; an empty list when there is none.

    Read from the end: what a calculation that leads to the reference calculates with leads there as well.
    """
    used: set[Fraction] = set()
    stray: list[tuple[int, str]] = []
    for at in reversed(range(len(steps))):
        for calculation in reversed(steps[at]):
            leads = not used.isdisjoint(calculation.values)
            if known.reaches(calculation) or (leads and not known.has(calculation)):
                used |= calculation.operands
            if not leads and not known.has(calculation):
                stray = [(at, f"neither in the problem nor in the reference: {calculation}")]
    return stray


def from_options(options: Mapping[str, object]) -> ReferenceJudge:
    """The judge has no options: `UserError` for any."""
    if options:
        raise UserError(f"the reference judge has no option {next(iter(options))!r}", fix="leave it out")
    return ReferenceJudge()
