"""How close verdicts come to labels, over all labelled responses: exact first errors, and correlation of the prefixes.

ProcessBench's F1 (measure.py) weighs right and wrong solutions alike; a judge of all-negative groups meets wrong ones
only, and what SGPO uses of it is an order. So these two are told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import atanh, sqrt, tanh
from statistics import StatisticsError, correlation

from sgpo_cli.judging.measure import Interval, wilson
from sgpo_cli.judging.verdict import Verdict

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Closeness:
    """`exact`: share of the `n` responses whose first wrong step (or none) is named exactly, an abstention being a
    miss, with Wilson's 95% interval. `correlation`: Pearson's, of the share of steps before the first wrong one, over
    the responses with a verdict, with Fisher's 95% interval; None when one side does not vary or there are too few.
    """

    n: int
    exact: float | None
    exact_ci95: Interval | None
    correlation: float | None
    correlation_ci95: Interval | None

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def closeness(verdicts: Sequence[Verdict], labels: Sequence[int], steps: Sequence[int]) -> Closeness:
    """`labels`: 0-based index of the first wrong step, -1 for none; `steps`: how many each response has."""
    n = len(verdicts)
    hits = sum(v.first_error == label for v, label in zip(verdicts, labels, strict=True) if not v.abstained)
    pairs = [
        (_share(v.first_error, count), _share(label, count))
        for v, label, count in zip(verdicts, labels, steps, strict=True)
        if v.first_error is not None and count > 0
    ]
    r = _correlation(pairs)
    return Closeness(
        n=n,
        exact=hits / n if n else None,
        exact_ci95=wilson(hits, n) if n else None,
        correlation=r,
        correlation_ci95=_fisher(r, len(pairs)),
    )


def _share(first_error: int, steps: int) -> float:
    return 1.0 if first_error < 0 else first_error / steps


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    try:
        return correlation([a for a, _ in pairs], [b for _, b in pairs])
    except StatisticsError:
        return None


def _fisher(r: float | None, n: int) -> Interval | None:
    """atanh(r) is about normal with variance 1/(n-3)."""
    if r is None or n < 4:
        return None
    if abs(r) >= 1:
        return (r, r)
    half = _Z95 / sqrt(n - 3)
    return (tanh(atanh(r) - half), tanh(atanh(r) + half))
