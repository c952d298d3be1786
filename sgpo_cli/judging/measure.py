"""How good a judge is on labelled solutions: ProcessBench's figures (arXiv 2412.06559), with intervals.

`acc_error`: share of the wrong solutions whose first wrong step the judge names exactly; `acc_correct`: share of the
correct ones in which it finds none; `f1`: their harmonic mean. An abstention is a miss in either class. `unchecked`:
share of the rows in which the judge found nothing to check, and so no error; in training they count as abstained.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from statistics import StatisticsError, correlation

from sgpo_cli.judging.verdict import Verdict

Interval = tuple[float, float]
DRAWS = 4000
_Z95 = 1.959963984540054
_NO_ERRORS = "no solution is labelled wrong"
_NO_CORRECT = "no solution is labelled correct"


@dataclass(frozen=True, slots=True)
class Measures:
    """Shares in [0, 1], each with its 95% interval; None where a class has no rows, with the reason under `reasons`.

    The accuracies' intervals are Wilson's; F1's comes from their Jeffreys posteriors.
    """

    acc_error: float | None
    acc_correct: float | None
    f1: float | None
    abstained: float | None
    unchecked: float | None
    n_error: int
    n_correct: int
    acc_error_ci95: Interval | None
    acc_correct_ci95: Interval | None
    f1_ci95: Interval | None
    reasons: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(slots=True)
class Tally:
    """Counts verdicts against labels, one at a time, in constant memory; `measures()` says what they come to."""

    n_error: int = 0
    n_correct: int = 0
    hit_error: int = 0
    hit_correct: int = 0
    abstained: int = 0
    unchecked: int = 0

    def add(self, verdict: Verdict, label: int) -> None:
        """`label`: 0-based index of the first wrong step, -1 for none."""
        hit = not verdict.abstained and verdict.first_error == label
        if label < 0:
            self.n_correct += 1
            self.hit_correct += hit
        else:
            self.n_error += 1
            self.hit_error += hit
        self.abstained += verdict.abstained
        self.unchecked += nothing_checked(verdict)

    def measures(self, *, seed: int = 0) -> Measures:
        rows = self.n_error + self.n_correct
        acc_error = self.hit_error / self.n_error if self.n_error else None
        acc_correct = self.hit_correct / self.n_correct if self.n_correct else None
        f1 = _harmonic(acc_error, acc_correct) if acc_error is not None and acc_correct is not None else None
        reasons: dict[str, str] = {}
        if not self.n_error:
            reasons["acc_error"] = reasons["f1"] = _NO_ERRORS
        if not self.n_correct:
            reasons["acc_correct"] = reasons["f1"] = _NO_CORRECT
        if not rows:
            reasons["abstained"] = reasons["unchecked"] = reasons["f1"] = "no labelled solution"
        return Measures(
            acc_error=acc_error,
            acc_correct=acc_correct,
            f1=f1,
            abstained=self.abstained / rows if rows else None,
            unchecked=self.unchecked / rows if rows else None,
            n_error=self.n_error,
            n_correct=self.n_correct,
            acc_error_ci95=wilson(self.hit_error, self.n_error) if self.n_error else None,
            acc_correct_ci95=wilson(self.hit_correct, self.n_correct) if self.n_correct else None,
            f1_ci95=self._f1_interval(seed, f1) if f1 is not None else None,
            reasons=reasons,
        )

    def _f1_interval(self, seed: int, f1: float) -> Interval:
        """The middle 95% of F1 under both accuracies' Jeffreys posteriors, Beta(hits + 1/2, misses + 1/2), drawn with
        `seed` and widened to hold `f1` itself. 7 of 7 right leaves room below 1, 0 of 7 room above 0; resampling the
        rows would leave none."""
        rng = random.Random(seed)
        draws = sorted(
            _harmonic(
                rng.betavariate(self.hit_error + 0.5, self.n_error - self.hit_error + 0.5),
                rng.betavariate(self.hit_correct + 0.5, self.n_correct - self.hit_correct + 0.5),
            )
            for _ in range(DRAWS)
        )
        return min(f1, draws[int(0.025 * DRAWS)]), max(f1, draws[int(0.975 * DRAWS) - 1])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two judges say the same of the same solutions; None where no solution has a verdict of both.

    `same`: share of those `n` in which both name the same first wrong step (or none), with Wilson's 95% interval;
    `correlation`: Pearson's, of their prefix scores, None when one of them does not vary.
    """

    other: str
    n: int
    same: float | None
    same_ci95: Interval | None
    correlation: float | None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def agreement(verdicts: Sequence[Verdict], others: Sequence[Verdict], *, other: str) -> Agreement:
    """Agreement over the solutions on which neither judge abstained or found nothing to check."""
    both = [
        (a, b)
        for a, b in zip(verdicts, others, strict=True)
        if not (a.abstained or b.abstained or nothing_checked(a) or nothing_checked(b))
    ]
    if not both:
        return Agreement(other, 0, None, None, None)
    hits = sum(a.first_error == b.first_error for a, b in both)
    scores = [(a.prefix_score or 0.0, b.prefix_score or 0.0) for a, b in both]
    return Agreement(other, len(both), hits / len(both), wilson(hits, len(both)), _correlation(scores))


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    try:
        return correlation([a for a, _ in pairs], [b for _, b in pairs])
    except StatisticsError:  # fewer than two, or one side is constant
        return None


def nothing_checked(verdict: Verdict) -> bool:
    """Whether the judge gave a verdict though it found no step that it could examine."""
    return not verdict.abstained and verdict.checked == 0


def processbench(pairs: Iterable[tuple[Verdict, int]], *, seed: int = 0) -> Measures:
    """ProcessBench's figures for (verdict, label) pairs; a label is the first wrong step's index, -1 for none."""
    tally = Tally()
    for verdict, label in pairs:
        tally.add(verdict, label)
    return tally.measures(seed=seed)


def wilson(hits: int, n: int) -> Interval:
    """Wilson's 95% score interval for a share: 0 of 30 is [0, .11], not [0, 0]."""
    p = hits / n
    scale = 1 + _Z95**2 / n
    centre = (p + _Z95**2 / (2 * n)) / scale
    half = _Z95 * sqrt(p * (1 - p) / n + _Z95**2 / (4 * n * n)) / scale
    return (0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0
