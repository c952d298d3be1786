"""Two evaluations on the same problems: the difference of avg@k with a 95% interval, and a test of no difference.

Problems are the unit. d_i is the difference of two models' means on problem i; problems that one of them has no graded
sample of are left out, and counted.

**Test.** Sign flips: if the models are equally good, each d_i is as likely to be -d_i. p is the share of all sign
choices whose |sum| is at least the one seen, counted exactly (a convolution over the values that sums take). For one
sample a problem that is McNemar's exact test. Where the sums are too many, Student's t on d_i.

**Interval.** Bonett and Price (2012) for paired shares, widened to shares of k samples: two problems are added, one
with +m and one with -m, where m^2 is the mean of d_i^2 over the problems that differ, drawn towards 1 with the weight
of PRIOR problems (m = 1 where none differs: never of zero width). With k = 1 it is their interval, with Student's t.

**Verdict.** `distinguishable` when p < 0.05 and the interval leaves 0 out. Several benches or pairs are several tests:
one in twenty of them is "distinguishable" by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from sgpo_cli.evaluation.metrics import PRIOR, student_t

_LEVEL = 0.05
_MOST_WORK = 4_000_000

Means = Mapping[str, Fraction]
"""Problem's id -> share of its graded samples that are right."""


@dataclass(frozen=True, slots=True)
class Paired:
    """`difference`: the first's avg@k minus the second's, on the `problems` that both have; `left_out` are the others.
    With fewer than two problems the figures are None and `reason` says why."""

    problems: int
    left_out: int
    difference: float | None
    ci95: tuple[float, float] | None
    p: float | None
    test: str | None
    distinguishable: bool | None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        return {**found, "ci95": None if self.ci95 is None else list(self.ci95)}


def means_of(samples: Sequence[Mapping[str, Any]]) -> dict[str, Fraction]:
    """The means by problem of the rows of a samples.jsonl; ungraded samples are left out."""
    counts: dict[str, list[int]] = {}
    for row in samples:
        if row["correct"] is not None:
            right_of = counts.setdefault(str(row["id"]), [0, 0])
            right_of[0] += bool(row["correct"])
            right_of[1] += 1
    return {name: Fraction(right, total) for name, (right, total) in counts.items()}


def compare_paired(one: Means, other: Means) -> Paired:
    """The comparison of two evaluations of the same bench."""
    shared = [name for name in one if name in other]
    left_out = len(one.keys() | other.keys()) - len(shared)
    if len(shared) < 2:
        reason = "fewer than two problems that both have graded samples of"
        return Paired(len(shared), left_out, None, None, None, None, None, reason)
    differences = [one[name] - other[name] for name in shared]
    difference = float(sum(differences) / len(differences))
    interval = paired_interval([float(d) for d in differences])
    p, test = sign_flip_p(differences)
    apart = p < _LEVEL and not interval[0] <= 0 <= interval[1]
    return Paired(len(shared), left_out, difference, interval, p, test, apart)


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """95% interval of the mean difference (see above); holds it, inside [-1, 1]."""
    n = len(differences)
    squares = [d * d for d in differences if d]
    added = (math.fsum(squares) + PRIOR) / (len(squares) + PRIOR)
    mean = math.fsum(differences) / (n + 2)
    variance = (math.fsum(d * d for d in differences) + 2 * added) / (n + 2) - mean * mean
    half = student_t(n - 1) * math.sqrt(variance / (n + 2))
    raw = math.fsum(differences) / n
    return max(-1.0, min(raw, mean - half)), min(1.0, max(raw, mean + half))


def sign_flip_p(differences: Sequence[Fraction]) -> tuple[float, str]:
    """The two-sided p of no difference, and how it was found."""
    unit = math.lcm(*(d.denominator for d in differences))
    sizes = [abs(int(d * unit)) for d in differences if d]
    if not sizes:
        return 1.0, "exact sign flips"
    seen = abs(sum(int(d * unit) for d in differences))
    common = math.gcd(*sizes)
    sizes, seen = [size // common for size in sizes], seen // common
    if (2 * sum(sizes) + 1) * len(sizes) > _MOST_WORK:
        return _t_test([float(d) for d in differences]), "t test"
    shares = {0: 1.0}
    for size in sizes:
        new: dict[int, float] = {}
        for total, share in shares.items():
            half = share / 2
            new[total + size] = new.get(total + size, 0.0) + half
            new[total - size] = new.get(total - size, 0.0) + half
        shares = new
    return min(1.0, math.fsum(share for total, share in shares.items() if abs(total) >= seen)), "exact sign flips"


def _t_test(differences: Sequence[float]) -> float:
    """Two-sided p of Student's t on so many differences that the normal distribution stands for it."""
    n = len(differences)
    mean = math.fsum(differences) / n
    variance = math.fsum((d - mean) ** 2 for d in differences) / (n - 1)
    if variance == 0:
        return 0.0 if mean else 1.0
    return math.erfc(abs(mean) / math.sqrt(variance / n) / math.sqrt(2))
