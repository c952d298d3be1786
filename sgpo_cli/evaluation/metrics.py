"""avg@k with an interval clustered by problem, unbiased pass@k, maj@k. Plain Python.

Every function takes the graded samples by problem: `outcomes[i]` are the 0/1 outcomes of problem i. Ungraded samples
are left out before; a problem without any graded sample is not in the list.

The interval (`interval95`). avg@k is the mean over n problems of the problem's mean m_i. Samples of one problem are
not independent, so N = sum k_i samples are worth n_eff problems, n <= n_eff <= N. With p = mean(m_i):

    r     = (1/n) sum (m_i - p)^2 / (p (1 - p))        share of an outcome's variance that lies between problems
    n_eff = n / r                                      since var(p) = var(m_i)/n; r = 1 when all m_i are 0 or 1

r is estimated from few problems when p is near 0 or 1 and is undefined at them, so it is drawn towards 1 (samples
of one problem as copies of each other, the cautious end) with the weight of PRIOR problems:

    r' = (d * r + PRIOR) / (d + PRIOR),   d = min(problems with any success, problems with any failure)

Then a Wilson score interval for p with n_eff = min(N, n/r') and, since r is estimated from n problems, the quantile of
Student's t with n - 1 degrees of freedom in place of the normal one. 0 of 30 gives [0, .12] and 30 of 30 [.88, 1]
for any k; one problem gives [0, 1]. With k = 1 it is Wilson's interval with t. Coverage is simulated in
tests/evaluation/test_eval_interval.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist

Outcomes = Sequence[Sequence[int]]

PRIOR = 2.0
_CONFIDENCE = 0.95
_EXACT_DF = 200


def avg_at_k(outcomes: Outcomes) -> float | None:
    """Mean over problems of the share of right samples; None without problems."""
    if not outcomes:
        return None
    return math.fsum(sum(problem) / len(problem) for problem in outcomes) / len(outcomes)


def standard_error(outcomes: Outcomes) -> float | None:
    """Standard error of avg@k over problems, as other tools print it; None with fewer than two problems.

    It is 0 when all problems agree, which is no certainty: `interval95` is what to quote.
    """
    mean = avg_at_k(outcomes)
    if mean is None or len(outcomes) < 2:
        return None
    n = len(outcomes)
    return math.sqrt(math.fsum((sum(problem) / len(problem) - mean) ** 2 for problem in outcomes) / (n - 1) / n)


def interval95(outcomes: Outcomes) -> tuple[float, float] | None:
    """95% interval of avg@k, clustered by problem (derivation above); None without problems."""
    mean = avg_at_k(outcomes)
    if mean is None:
        return None
    n = len(outcomes)
    if n == 1:
        return 0.0, 1.0
    samples = sum(len(problem) for problem in outcomes)
    spread = math.fsum((sum(problem) / len(problem) - mean) ** 2 for problem in outcomes) / n
    between = spread / (mean * (1 - mean)) if 0 < mean < 1 else 1.0
    telling = min(sum(any(problem) for problem in outcomes), sum(not all(problem) for problem in outcomes))
    shrunk = (telling * between + PRIOR) / (telling + PRIOR)
    effective = min(float(samples), n / shrunk)
    return wilson(mean, effective, student_t(n - 1))


def wilson(mean: float, size: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share `mean` of `size` (effective) observations."""
    squared = quantile * quantile / size
    centre = (mean + squared / 2) / (1 + squared)
    half = math.sqrt(squared * (mean * (1 - mean) + squared / 4)) / (1 + squared)
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def student_t(df: int) -> float:
    """The quantile of Student's t with `df` >= 1 degrees of freedom that bounds a 95% interval."""
    normal = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    if df > _EXACT_DF:  # Cornish-Fisher, first two terms: off by less than 1e-6 here
        return normal + (normal**3 + normal) / (4 * df) + (5 * normal**5 + 16 * normal**3 + 3 * normal) / (96 * df**2)
    low, high = normal, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        if _t_inside(middle, df) < _CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _t_inside(t: float, df: int) -> float:
    """P(|T| < t), the closed form for whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(df))
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine if df % 2 else 1.0), 0.0
    for j in range(df % 2, df - 1, 2):
        total += term
        term *= cosine * cosine * (j + 1) / (j + 2)
    return 2 / math.pi * (angle + sine * total) if df % 2 else sine * total


def pass_at_k(outcomes: Outcomes, k: int) -> float | None:
    """Unbiased pass@k, the mean over problems of 1 - C(n-c, k)/C(n, k) (Chen et al. 2021, eq. 1).

    None when some problem has fewer than `k` graded samples: there it cannot be estimated without bias.
    """
    if not outcomes or any(len(problem) < k for problem in outcomes):
        return None
    return math.fsum(_pass(len(problem), sum(problem), k) for problem in outcomes) / len(outcomes)


def _pass(n: int, right: int, k: int) -> float:
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def maj_at_k(votes: Sequence[Sequence[tuple[str | None, int]]]) -> float | None:
    """Share of problems whose most frequent answer is right; None without problems.

    `votes[i]`: `(answer, outcome)` of problem i's graded samples. Right answers are one class, however they are
    written (all equal the gold); wrong ones are told apart by `answer`, which the caller has normalised; None is a
    sample without an answer and has no vote. A tie counts by the share of tied classes that are right: the expected
    value of breaking it at random. A problem without any vote is 0.
    """
    if not votes:
        return None
    return math.fsum(_majority(problem) for problem in votes) / len(votes)


def _majority(problem: Sequence[tuple[str | None, int]]) -> float:
    classes = Counter(("right", "") if right else ("wrong", answer) for answer, right in problem if answer is not None)
    if not classes:
        return 0.0
    most = max(classes.values())
    leaders = [name for name, count in classes.items() if count == most]
    return leaders.count(("right", "")) / len(leaders)
