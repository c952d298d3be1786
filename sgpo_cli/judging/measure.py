"""How good a judge is on labelled solutions: ProcessBench's figures (arXiv 2412.06559), with intervals.

`acc_error`: share of the wrong solutions whose first wrong step the judge names exactly; `acc_correct`: share of the
correct ones in which it finds none; `f1`: their harmonic mean. An abstention is a miss in either class.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import exp, lgamma, log, log1p, sqrt

from sgpo_cli.judging.verdict import Verdict

Interval = tuple[float, float]
RESAMPLES = 2000
_Z95 = 1.959963984540054
_NO_ERRORS = "no solution is labelled wrong"
_NO_CORRECT = "no solution is labelled correct"


@dataclass(frozen=True, slots=True)
class Measures:
    """Shares in [0, 1], each with its 95% interval; None where a class has no rows, with the reason under `reasons`."""

    acc_error: float | None
    acc_correct: float | None
    f1: float | None
    abstained: float | None
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

    def measures(self, *, seed: int = 0) -> Measures:
        rows = self.n_error + self.n_correct
        acc_error = self.hit_error / self.n_error if self.n_error else None
        acc_correct = self.hit_correct / self.n_correct if self.n_correct else None
        both = acc_error is not None and acc_correct is not None
        reasons: dict[str, str] = {}
        if not self.n_error:
            reasons["acc_error"] = reasons["f1"] = _NO_ERRORS
        if not self.n_correct:
            reasons["acc_correct"] = reasons["f1"] = _NO_CORRECT
        if not rows:
            reasons["abstained"] = reasons["f1"] = "no labelled solution"
        return Measures(
            acc_error=acc_error,
            acc_correct=acc_correct,
            f1=_harmonic(acc_error, acc_correct) if acc_error is not None and acc_correct is not None else None,
            abstained=self.abstained / rows if rows else None,
            n_error=self.n_error,
            n_correct=self.n_correct,
            acc_error_ci95=wilson(self.hit_error, self.n_error) if self.n_error else None,
            acc_correct_ci95=wilson(self.hit_correct, self.n_correct) if self.n_correct else None,
            f1_ci95=self._f1_interval(seed) if both else None,
            reasons=reasons,
        )

    def _f1_interval(self, seed: int) -> Interval:
        """Bootstrap within each class; resampling 0/1 rows is drawing a binomial, which needs no rows."""
        rng = random.Random(seed)
        errors = _Binomial(self.n_error, self.hit_error / self.n_error)
        corrects = _Binomial(self.n_correct, self.hit_correct / self.n_correct)
        values = sorted(
            _harmonic(errors.draw(rng) / self.n_error, corrects.draw(rng) / self.n_correct) for _ in range(RESAMPLES)
        )
        return values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1]


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


class _Binomial:
    """Draws from a binomial by its inverse distribution function."""

    def __init__(self, n: int, p: float) -> None:
        self._fixed: int | None = round(n * p) if p in (0.0, 1.0) else None
        self._low = 0
        self._cumulated: list[float] = []
        if self._fixed is not None:
            return
        spread = 10 * sqrt(n * p * (1 - p)) + 10
        self._low = max(0, int(n * p - spread))
        total = 0.0
        for k in range(self._low, min(n, int(n * p + spread)) + 1):
            ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
            total += exp(ways + k * log(p) + (n - k) * log1p(-p))
            self._cumulated.append(total)

    def draw(self, rng: random.Random) -> int:
        at = rng.random()
        if self._fixed is not None:
            return self._fixed
        return self._low + min(bisect_left(self._cumulated, at), len(self._cumulated) - 1)
