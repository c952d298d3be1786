"""Judges spoilt in a known way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.noise import NOISE, Noise, from_options
from sgpo_cli.judging.usage import Metered, Remote, Usage
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.hints import hints_of
from sgpo_cli.recipe.judgecards import NoiseCard


class Fixed:
    """Says what it was told to say; the first step of a solution is the number of its first wrong one."""

    name = "fixed"

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [self._one(s) for s in solutions]

    def _one(self, solution: Solution) -> Verdict:
        if solution.problem == "silent":
            return Verdict.abstain("cannot say", num_steps=len(solution.steps), judge=self.name)
        return Verdict.found(int(solution.steps[0]), num_steps=len(solution.steps), judge=self.name)


def solution(first_error: int, steps: int = 5, problem: str = "p") -> Solution:
    return Solution(problem, (str(first_error), *(f"s{i}" for i in range(1, steps))))


def spoilt(how: str, solutions: list[Solution], probability: float = 0.0, seed: int = 0) -> list[int | None]:
    return [v.first_error for v in Noise(Fixed(), how, probability, seed).judge(solutions)]


def test_the_card_and_the_judge_know_the_same_noises() -> None:
    from typing import get_args

    assert set(get_args(hints_of(NoiseCard)["noise"])) == set(NOISE)


def test_by_hand() -> None:
    """Of 5 steps, the first wrong one is 0, 3, or none."""
    asked = [solution(0), solution(3), solution(-1)]
    assert spoilt("flip", asked, 0.0) == [0, 3, -1] == spoilt("replace", asked, 0.0)
    assert spoilt("flip", asked, 1.0) == [-1, 0, 0]  # wrong steps called right, right ones wrong
    assert spoilt("invert", asked) == [-1, 2, 0]
    assert spoilt("constant", asked) == [-1, -1, -1]


def test_inverting_twice_is_nothing() -> None:
    twice = Noise(Noise(Fixed(), "invert", 0.0, 0), "invert", 0.0, 0)
    asked = [solution(k) for k in range(-1, 5)]
    assert [v.first_error for v in twice.judge(asked)] == list(range(-1, 5))


def test_the_same_solution_is_always_spoilt_alike() -> None:
    """Whatever is asked with it, in whatever order: a resumed run and a store meet the same mistakes."""
    asked = [solution(i % 5, problem=f"p{i}") for i in range(40)]
    whole = dict(zip(asked, spoilt("random", asked), strict=True))
    assert [whole[s] for s in reversed(asked)] == spoilt("random", asked[::-1])
    assert [spoilt("random", [s])[0] for s in asked] == list(whole.values())
    assert spoilt("random", asked, seed=1) != list(whole.values())


def test_how_often_verdicts_are_spoilt() -> None:
    """4,000 solutions of 4 steps, the second wrong. Flipped with .2 it is still found .8 * .8 of the time; even draws
    leave a replaced verdict as it was one time in five."""
    asked = [solution(1, 4, problem=str(i)) for i in range(4000)]
    flipped = Counter(spoilt("flip", asked, 0.2))
    assert flipped[0] / 4000 == pytest.approx(0.2, abs=0.02)
    assert flipped[1] / 4000 == pytest.approx(0.64, abs=0.025)
    assert flipped[2] / 4000 == pytest.approx(0.16 * 0.8, abs=0.02)
    assert Counter(spoilt("replace", asked, 0.5))[1] / 4000 == pytest.approx(0.5 + 0.5 / 5, abs=0.025)
    drawn = Counter(spoilt("random", asked))
    assert set(drawn) == {-1, 0, 1, 2, 3} and all(
        count / 4000 == pytest.approx(0.2, abs=0.025) for count in drawn.values()
    )


def test_an_abstention_stays_one_and_no_steps_are_no_steps() -> None:
    [silent] = Noise(Fixed(), "random", 0.0, 0).judge([solution(1, problem="silent")])
    assert silent.abstained and silent.reason == "cannot say" and silent.judge == "noise"
    assert spoilt("constant", [solution(1, problem="silent")]) == [None]


def test_steps_that_a_judge_says_are_missing_stay_missing() -> None:
    """A judge may count more steps than the response has; the noise names none of those."""

    class Long(Fixed):
        def _one(self, asked: Solution) -> Verdict:
            return Verdict.found(2, num_steps=9, checked=3, judge=self.name)

    [verdict] = Noise(Long(), "invert", 0.0, 0).judge([solution(2, 3)])
    assert (verdict.first_error, verdict.num_steps) == (1, 9)


def test_a_judge_behind_a_server_stays_one() -> None:
    class Served(Fixed):
        closed = False

        def take_usage(self) -> Usage:
            return Usage(calls=3)

        def probe(self) -> list[str]:
            return ["no answer"]

        def close(self) -> None:
            self.closed = True

    inner = Served()
    noise = from_options({"judge": "x", "members": [inner], "noise": "constant", "probability": None, "seed": 0})
    assert isinstance(noise, Metered) and isinstance(noise, Remote)
    assert noise.take_usage().calls == 3 and noise.probe() == ["no answer"]
    assert [v.first_error for v in noise.stream([solution(1), solution(2)])] == [-1, -1]  # type: ignore[attr-defined]
    noise.close()
    assert inner.closed
    plain = from_options({"judge": "x", "members": [Fixed()], "noise": "flip", "probability": 0.5, "seed": 0})
    assert not isinstance(plain, Metered | Remote)


@pytest.mark.parametrize(
    "change",
    [{"members": []}, {"noise": "loud"}, {"probability": 2}, {"probability": True}, {"seed": "a"}, {"volume": 1}],
)
def test_options_are_checked(change: dict[str, object]) -> None:
    with pytest.raises(UserError):
        from_options({"members": [Fixed()], "noise": "flip", "probability": 0.5, "seed": 0, **change})
