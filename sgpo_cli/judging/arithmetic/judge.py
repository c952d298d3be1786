"""The `arithmetic` judge: the first step that states an equation which does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from sgpo_cli.errors import UserError
from sgpo_cli.judging.arithmetic.algebra import Solving
from sgpo_cli.judging.arithmetic.compare import Tolerance, holds
from sgpo_cli.judging.arithmetic.equations import Chain, chains_of
from sgpo_cli.judging.arithmetic.evaluate import Amount, Unknown, evaluate
from sgpo_cli.judging.arithmetic.marks import take_marks
from sgpo_cli.judging.arithmetic.nodes import Expression, Letter, letters_of, operators_of
from sgpo_cli.judging.arithmetic.whole import cannot_be, remainder_holds
from sgpo_cli.judging.arithmetic.words import UNIT
from sgpo_cli.judging.verdict import Solution, Verdict

NAME = "arithmetic"


@dataclass(slots=True)
class _Reading:
    """What has been read of a solution so far: the letters that stand for a number."""

    tolerance: Tolerance
    letters: dict[str, Amount] = field(default_factory=dict)
    calculated: set[str] = field(default_factory=set)
    marked: set[Fraction] = field(default_factory=set)
    solving: Solving = field(default_factory=Solving)
    steps: int = 0

    def step(self, text: str) -> tuple[int, str | None]:
        """How many equations of a step could be examined, and the first that fails (as text)."""
        marks, rest = take_marks(text)
        examined = 0
        wrong: str | None = None
        self.marked.clear()
        self.steps += 1
        for part in (*marks, rest):
            for chain in chains_of(part):
                count, failed = self.chain(chain)
                examined += count
                wrong = wrong or failed
                if part is not rest and not failed and chain.sides[-1].first is not None:
                    self.marked.update(self.amount(chain.sides[-1].first))
        return examined, wrong

    def chain(self, chain: Chain) -> tuple[int, str | None]:
        examined = 0
        wrong: str | None = None
        for at in range(len(chain.relations)):
            verdict = self.equation(chain, at)
            if verdict is None:
                continue
            examined += 1
            left, right = chain.sides[at].last, chain.sides[at + 1].first
            if not verdict:
                wrong = wrong or _show(chain, at)
            elif left and right and not chain.sides[at].tokens[-1].math and cannot_be(left, right, chain.words):
                wrong = wrong or f"cannot be: {_show(chain, at)}"
        follows = self.solving.follow(chain, self.steps)
        if follows is not None:
            examined += 1
            wrong = wrong or (None if follows else f"does not follow: {_show(chain, 0)}")
        self.bind(chain)
        return examined, wrong

    def equation(self, chain: Chain, at: int) -> bool | None:
        """Whether the chain's equation number `at` holds; None when it is not judged."""
        relation, left, right = chain.relations[at], chain.sides[at].last, chain.sides[at + 1].first
        if relation == "?" or left is None:
            return None
        divided = remainder_holds(left, chain.sides[at + 1])
        if divided is not None:
            return divided
        if right is None or not self.is_claim(left, right):
            return None
        verdict = holds(
            left,
            right,
            self.letters,
            words=chain.words,
            approximate=relation == "~",
            starts=at == 0,
            tolerance=self.tolerance,
        )
        return None if verdict is False and self.is_excused(chain, at, left, right) else verdict

    def is_claim(self, left: Expression, right: Expression) -> bool:
        """Is it a calculation rather than an equation to be solved?

        With letters it is one only when it puts numbers in their places, `A - B = 3 - (-4)`: each letter was defined by
        a calculation before, and the other side has the same operators and no letter.
        """
        if right.worded:
            return False  # "360 divided by 5 is": the sentence goes on
        letters = letters_of(left.node)
        if not letters and not letters_of(right.node):
            return True
        if letters_of(right.node) or not letters <= self.calculated:
            return False
        operators = operators_of(left.node)
        return bool(operators) and operators == operators_of(right.node)

    def is_excused(self, chain: Chain, at: int, left: Expression, right: Expression) -> bool:
        """An equation that begins before what was read ("1 hour and 20 minutes + ..."), or one that states the result
        of a calculator mark which holds, maybe rounded to a whole."""
        if at == 0 and chain.before == "and" and any(unit in UNIT for unit in left.units[:1]):
            return True
        return any(
            stated == mark or (stated.denominator == 1 and abs(stated - mark) < 1)
            for stated in self.amount(right)
            for mark in self.marked
        )

    def amount(self, expression: Expression) -> set[Fraction]:
        try:
            return {evaluate(expression.node, self.letters).value}
        except Unknown:
            return set()

    def bind(self, chain: Chain) -> None:
        """`A = 3 + 4` makes A stand for 7; `A = (something unreadable)` makes it stand for nothing."""
        left = chain.sides[0].last
        if left is None or not isinstance(left.node, Letter) or chain.relations[0] != "=":
            return
        name = left.node.name
        self.letters.pop(name, None)
        for side in chain.sides[1:]:
            if side.first is None:
                continue
            try:
                self.letters[name] = evaluate(side.first.node, self.letters)
            except Unknown:
                continue
            if side.first.operators:
                self.calculated.add(name)
            return
        self.calculated.discard(name)


def _show(chain: Chain, at: int) -> str:
    """The two sides of a failed equation, as the step printed them (shortened)."""
    sides = (" ".join(token.text for token in side.tokens) for side in chain.sides[at : at + 2])
    return " = ".join(text if len(text) <= 80 else f"{text[:40]} ... {text[-36:]}" for text in sides)


class ArithmeticJudge:
    """Checks every equation that a step states, exactly, with no model.

    It never abstains by itself: a solution without an equation to examine gets first_error -1 with checked 0.
    """

    name = NAME

    def __init__(self, tolerance: Tolerance | None = None) -> None:
        self.tolerance = tolerance or Tolerance()

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [self.judge_one(solution) for solution in solutions]

    def judge_one(self, solution: Solution) -> Verdict:
        reading = _Reading(self.tolerance)
        first, reason, checked = -1, None, 0
        for index, step in enumerate(solution.steps):
            examined, wrong = reading.step(step)
            checked += examined > 0
            if wrong is not None and first < 0:
                first, reason = index, wrong
        return Verdict.found(first, num_steps=len(solution.steps), checked=checked, judge=self.name, reason=reason)


_MOST = {"places": 100, "approximate": 1}


def from_options(options: Mapping[str, object]) -> ArithmeticJudge:
    """The judge of a card's options; `UserError` for one it does not know or a value out of range."""
    values: dict[str, Fraction] = {}
    for key, value in options.items():
        if key not in _MOST:
            raise UserError(f"the arithmetic judge has no option {key!r}", fix=f"options: {', '.join(_MOST)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST[key]:
            raise UserError(f"{key} of the arithmetic judge must be a number from 0 to {_MOST[key]}, not {value!r}")
        values[key] = Fraction(str(value))
    return ArithmeticJudge(Tolerance(**values))
