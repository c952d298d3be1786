"""The `noise` judge: another judge with its verdicts spoilt in a known way, for tests and studies.

What it says of a solution depends on that solution and its seed alone, so that a resumed run, another order and a
verdict store all meet the same mistakes. An abstention of the judge within stays one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import tee

from sgpo_cli.errors import UserError
from sgpo_cli.judging.usage import Metered, Remote, Usage
from sgpo_cli.judging.verdict import Judge, Solution, Verdict

Spoil = Callable[[int, int, float, random.Random], int]
"""(first wrong step with n for none, number of steps n, probability, generator) to the spoilt first wrong step."""


def _flip(first: int, steps: int, probability: float, rng: random.Random) -> int:
    """Each step's verdict turned round with that probability; steps behind the first wrong one count as wrong."""
    for step in range(steps):
        if (step >= first) != (rng.random() < probability):
            return step
    return steps


def _replace(first: int, steps: int, probability: float, rng: random.Random) -> int:
    """With that probability a step drawn evenly, or none, in the verdict's place."""
    return rng.randint(0, steps) if rng.random() < probability else first


def _random(_first: int, steps: int, _probability: float, rng: random.Random) -> int:
    """A step drawn evenly, or none, whatever the solution says."""
    return rng.randint(0, steps)


def _invert(first: int, steps: int, _probability: float, _rng: random.Random) -> int:
    """The longest right prefix called the shortest, and the other way round."""
    return steps - first


def _constant(_first: int, steps: int, _probability: float, _rng: random.Random) -> int:
    """Never a wrong step."""
    return steps


NOISE: dict[str, Spoil] = {
    "flip": _flip,
    "replace": _replace,
    "random": _random,
    "invert": _invert,
    "constant": _constant,
}


class Noise:
    """An opened judge, spoilt."""

    name = "noise"

    def __init__(self, judge: Judge, how: str, probability: float, seed: int) -> None:
        self._judge = judge
        self._how = how
        self._probability = probability
        self._seed = seed

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict for each solution, in order."""
        return [self._spoil(*pair) for pair in zip(solutions, self._judge.judge(solutions), strict=True)]

    def close(self) -> None:
        """Closes the judge within."""
        close = getattr(self._judge, "close", None)
        if close is not None:
            close()

    def _spoil(self, solution: Solution, verdict: Verdict) -> Verdict:
        steps = len(solution.steps)
        if verdict.first_error is None or not steps or verdict.num_steps < steps:
            return replace(verdict, judge=self.name)
        first = steps if verdict.first_error < 0 else min(verdict.first_error, steps)
        spoilt = NOISE[self._how](first, steps, self._probability, self._rng(solution))
        return replace(verdict, first_error=-1 if spoilt >= steps else spoilt, reason=None, judge=self.name)

    def _rng(self, solution: Solution) -> random.Random:
        text = "\0".join([str(self._seed), self._how, solution.problem, *solution.steps])
        return random.Random(hashlib.blake2b(text.encode(), digest_size=16).digest())


class MeteredNoise(Noise):
    """The same around a judge whose calls leave the process."""

    def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
        """One verdict for each solution, in order; reads ahead no further than the judge within does."""
        mine, theirs = tee(solutions)
        own = getattr(self._judge, "stream", None)
        said = own(theirs) if own is not None else (self._judge.judge([solution])[0] for solution in theirs)
        for pair in zip(mine, said, strict=True):
            yield self._spoil(*pair)

    def take_usage(self) -> Usage:
        return self._judge.take_usage() if isinstance(self._judge, Metered) else Usage()

    def probe(self) -> list[str]:
        return self._judge.probe() if isinstance(self._judge, Remote) else []


def from_options(options: Mapping[str, object]) -> Noise:
    """The noise of a card's options around its `members`, one opened judge; it closes it."""
    if unknown := sorted(options.keys() - {"judge", "members", "noise", "probability", "seed"}):
        raise UserError(
            f"judge noise has no option {unknown[0]!r}", fix="options: judge, members, noise, probability, seed"
        )
    members, how = options.get("members"), options.get("noise")
    probability, seed = options.get("probability"), options.get("seed", 0)
    if not isinstance(members, list | tuple) or len(members) != 1:
        raise UserError("noise needs one opened judge", fix="judge: hops_oracle")
    if how not in NOISE:
        raise UserError(f"noise must be one of {', '.join(NOISE)}, not {how!r}")
    chance = 0.0 if probability is None else probability
    if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise UserError(f"probability of a noise must be a number from 0 to 1, not {probability!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UserError(f"seed of a noise must be a whole number, not {seed!r}")
    kind = MeteredNoise if isinstance(members[0], Metered | Remote) else Noise
    return kind(members[0], str(how), float(chance), seed)
