"""Reading rollouts with a judge: split into steps, ask, and turn each verdict into a prefix score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sgpo_cli.judging.split import split_spans
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.methods.prefix import earned_score, steps_score, tokens_score
from sgpo_cli.training.judge_desk import Question, gives_nothing, may_overlap
from sgpo_cli.training.rollouts import JudgeFigures, Rollout
from sgpo_cli.training.traces import given_steps

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge's reading adds to a rollout."""

    verdict: Verdict
    prefix: float | None
    earned: float | None
    abstained: bool
    step_ends: list[int]

    def onto(self, rollout: Rollout) -> None:
        rollout.verdict = self.verdict
        rollout.prefix = self.prefix
        rollout.earned = self.earned
        rollout.abstained = self.abstained
        rollout.step_ends = self.step_ends
        if rollout.steps_right is None and not self.abstained:
            rollout.steps_right = self.verdict.prefix_score


class Reader:
    """Rollouts before a judge: asked ahead of need where the judge allows, read when the verdicts are wanted."""

    def __init__(self, judge: Judge, rollouts: Sequence[Rollout]) -> None:
        self._spans = [split_spans(rollout.response) for rollout in rollouts]
        solutions = [_solution(rollout, cut) for rollout, cut in zip(rollouts, self._spans, strict=True)]
        self._question = Question(judge, solutions, ahead=may_overlap(judge))

    def readings(
        self,
        rollouts: Sequence[Rollout],
        ids: Sequence[Sequence[int]],
        unit: Literal["steps", "tokens"],
        decode: Decode,
    ) -> tuple[list[Reading], JudgeFigures]:
        """One reading a rollout, in order; `ids` are the responses' tokens, `decode` the policy's tokenizer."""
        verdicts, figures = self._question.answers()
        readings = []
        for rollout, verdict, cut, tokens in zip(rollouts, verdicts, self._spans, ids, strict=True):
            ends = [end for _, end in cut]
            nothing = gives_nothing(verdict)
            prefix = None if nothing else _prefix(verdict, ends, tokens, unit, decode)
            earned = prefix
            if prefix is not None and rollout.prefix_tokens:
                earned = earned_score(prefix, _given(rollout, verdict, ends, len(tokens), unit))
            readings.append(Reading(verdict, prefix, earned, nothing, ends))
        return readings, figures


def _solution(rollout: Rollout, spans: Sequence[tuple[int, int]]) -> Solution:
    steps = tuple(rollout.response[start:end].strip() for start, end in spans)
    return Solution(rollout.problem, steps, reference=rollout.reference, answer=rollout.answer)


def _prefix(
    verdict: Verdict, ends: list[int], ids: Sequence[int], unit: Literal["steps", "tokens"], decode: Decode
) -> float:
    """The prefix score; a judge may count more steps than there are (some left out), which lowers it in any unit."""
    assert verdict.first_error is not None
    if unit == "steps" or not ends:
        return steps_score(verdict.first_error, verdict.num_steps)
    share = tokens_score(verdict.first_error, step_tokens(ends, ids, decode))
    return share * len(ends) / max(verdict.num_steps, len(ends))


def _given(rollout: Rollout, verdict: Verdict, ends: list[int], tokens: int, unit: Literal["steps", "tokens"]) -> float:
    """The share of a response that was injected, in the unit of its prefix score."""
    steps = max(verdict.num_steps, len(ends))
    if unit == "steps":
        return given_steps(rollout.prefix_end, ends, rollout.response) / steps if steps else 0.0
    return rollout.prefix_tokens / tokens * len(ends) / steps if steps else 0.0


def step_tokens(ends: Sequence[int], ids: Sequence[int], decode: Decode) -> list[int]:
    """How many of a response's own tokens each step takes; a token across a border belongs to the earlier step.

    By bisection over decoded prefixes of the ids that were sampled: encoding the text anew may give other tokens.
    """
    counts: list[int] = []
    begun = 0
    for i, end in enumerate(ends):
        upto = len(ids) if i == len(ends) - 1 else _tokens_reaching(end, ids, begun, decode)
        counts.append(upto - begun)
        begun = upto
    return counts


def _tokens_reaching(end: int, ids: Sequence[int], low: int, decode: Decode) -> int:
    """The smallest number of tokens, at least `low`, whose text has `end` characters."""
    high = len(ids)
    while low < high:
        middle = (low + high) // 2
        if len(decode(ids[:middle])) >= end:
            high = middle
        else:
            low = middle + 1
    return low
