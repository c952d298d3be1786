"""The recipe's `reward` list as reward functions for TRL. Exactly one of them is the outcome: 1, 0, or None (ungraded).

A reward function is called with the columns of the data set; ours need `row`, the index into the rows they were made
for. A non-finite number never reaches an update: it stops the run and names its sample.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.recipe.kinds import Reward, RewardCode, RewardExact, RewardFormat, RewardMath, RewardPython
from sgpo_cli.training.code_reward import code_scorer
from sgpo_cli.training.user_code import line_of, load_function
from sgpo_cli.verify.outcome import GradeItem

if TYPE_CHECKING:
    from sgpo_cli.verify.pool import Grader

Completion = str | list[dict[str, str]]
"""As TRL hands it over: text, or one assistant message."""
Scorer = Callable[[Sequence[Row], Sequence[str]], list[float | None]]
"""(rows, responses) to one number each; None is ungraded."""


class GraderFor(Protocol):
    """Makes the grader with a timeout; the job owns and closes it."""

    def __call__(self, timeout: float) -> Grader: ...


def text_of(completion: Completion) -> str:
    """The response's text, whether it came as text or as messages."""
    return completion if isinstance(completion, str) else "".join(message["content"] for message in completion)


class RewardColumn:
    """One reward, callable by TRL; `__name__` is its name among TRL's metrics."""

    def __init__(self, name: str, rows: Sequence[Row], score: Scorer) -> None:
        self.__name__ = name
        self._rows = rows
        self._early: tuple[list[int], list[str], list[float | None]] | None = None
        self.score = score

    def __call__(self, *, completions: Sequence[Completion], row: Sequence[int], **_: Any) -> list[float | None]:
        texts = [text_of(completion) for completion in completions]
        early, self._early = self._early, None
        if early is not None and early[:2] == (list(row), texts):
            return early[2]
        return self.score([self._rows[index] for index in row], texts)

    def early(self, *, completions: Sequence[Completion], row: Sequence[int]) -> list[float | None]:
        """The same, ahead of TRL's own call, which then gets these very numbers: a rollout is graded once."""
        values = self(completions=completions, row=row)
        self._early = (list(row), [text_of(completion) for completion in completions], values)
        return values


@dataclass(frozen=True)
class RewardSet:
    """Reward functions in the recipe's order, their weights, and which of them is the outcome."""

    functions: list[RewardColumn]
    weights: list[float]
    outcome: int


def build_rewards(rewards: Sequence[Reward], rows: Sequence[Row], grader: GraderFor) -> RewardSet:
    """The recipe's rewards over `rows`.

    Raises:
        UserError: not exactly one reward is an outcome, a row lacks the gold answer that grading needs, a regular
            expression is broken, or a function of the user's cannot be found.
    """
    outcomes = [i for i, reward in enumerate(rewards) if is_outcome(reward)]
    if len(outcomes) != 1:
        raise UserError(
            f"a recipe needs exactly one outcome among its rewards, this one has {len(outcomes)}",
            where="reward",
            fix="an outcome is kind math, exact or code, or kind python with outcome: true",
        )
    columns = [
        RewardColumn(_name(reward, i, rewards), rows, _scorer(reward, rows, grader)) for i, reward in enumerate(rewards)
    ]
    return RewardSet(columns, [reward.weight for reward in rewards], outcomes[0])


def is_outcome(reward: Reward) -> bool:
    """Whether this reward decides which answers are right."""
    if isinstance(reward, RewardPython):
        return reward.outcome
    if isinstance(reward, RewardCode):
        return reward.score == "all"
    return not isinstance(reward, RewardFormat)


def _name(reward: Reward, i: int, rewards: Sequence[Reward]) -> str:
    """The kind; with its number when the recipe has several of that kind."""
    several = sum(other.kind == reward.kind for other in rewards) > 1
    return f"{reward.kind}_{i}" if several else reward.kind


def _scorer(reward: Reward, rows: Sequence[Row], grader: GraderFor) -> Scorer:
    if isinstance(reward, RewardFormat):
        return _format(reward)
    if isinstance(reward, RewardPython):
        return _python(reward)
    if isinstance(reward, RewardCode):
        return code_scorer(reward, rows)
    for row in rows:
        if row.answer is None or not row.answer.strip():
            raise UserError(
                f"row {row.id!r} has no answer, and reward kind {reward.kind} compares with it",
                fix="name the column of the gold answers: data.columns.answer=...",
            )
    return _graded(reward, grader(reward.timeout_s if isinstance(reward, RewardMath) else 5.0))


def _graded(reward: RewardMath | RewardExact, grader: Grader) -> Scorer:
    def item(row: Row, response: str) -> GradeItem:
        assert row.answer is not None
        aliases = tuple(row.extra.get("aliases", ()))
        if isinstance(reward, RewardMath):
            several = row.extra.get("is_multiple_answer") is True  # OlympiadBench's column, as evaluation reads it
            return GradeItem(response, row.answer, kind="math", aliases=aliases, several=several)
        return GradeItem(response, row.answer, kind="exact", aliases=aliases, marker=reward.marker)

    def score(rows: Sequence[Row], responses: Sequence[str]) -> list[float | None]:
        grades = grader.grade_many([item(row, text) for row, text in zip(rows, responses, strict=True)])
        return [None if grade.outcome is None else float(grade.outcome) for grade in grades]

    return score


def _format(reward: RewardFormat) -> Scorer:
    try:
        pattern = re.compile(reward.pattern)
    except re.error as problem:
        raise UserError(f"not a regular expression: {problem}", where="reward.pattern") from None
    return lambda _rows, responses: [float(pattern.fullmatch(text) is not None) for text in responses]


def _python(reward: RewardPython) -> Scorer:
    function = load_function(reward.path)

    def one(row: Row, response: str) -> float | None:
        try:
            value = function(problem=row.problem, response=response, answer=row.answer, row=dict(row.extra))
        except (Exception, SystemExit) as problem:
            # SystemExit too: a reward that leaves would end the run without a word.
            raise RunFailed(
                f"{reward.path} raised {type(problem).__name__} on sample {row.id!r}: {problem}",
                where=line_of(problem),
            ) from problem
        if value is None:
            return None
        if not isinstance(value, int | float):
            raise UserError(f"{reward.path} returned {value!r} for sample {row.id!r}; a reward is a number or None")
        if not math.isfinite(value):
            raise RunFailed(
                f"reward {reward.path} of sample {row.id!r} is {value}",
                fix="a reward function returns a finite number, or None when it cannot tell",
            )
        if reward.outcome and value not in (0, 1):
            raise UserError(f"{reward.path} returned {value!r} for sample {row.id!r}; an outcome is 0, 1 or None")
        return float(value)

    return lambda rows, responses: [one(row, text) for row, text in zip(rows, responses, strict=True)]
