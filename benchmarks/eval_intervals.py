"""Coverage and width of the interval of avg@k, and false alarms of the paired comparison.

    python benchmarks/eval_intervals.py [--runs 2000] [--seed 0]

Problems have success rates of their own, drawn from a beta distribution with the given mean; `rho` is the correlation
of two samples of one problem (0: all problems alike, 1: a problem is always or never solved). With one sample a problem
rho does not matter and coverage is summed exactly over the binomial distribution; else it is simulated, and the
standard error of a coverage of .95 over 2000 runs is .005. Prints markdown tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from math import comb

import numpy as np

from sgpo_cli.evaluation.metrics import interval95
from sgpo_cli.evaluation.paired import compare_paired

SIZES, SAMPLES, MEANS, RHOS = (30, 100, 500), (1, 16), (0.05, 0.2, 0.5, 0.95), (0.1, 0.5, 0.9)


def exact(n: int, mean: float) -> tuple[float, float]:
    """Coverage and mean width with one sample a problem."""
    covered = width = 0.0
    for right in range(n + 1):
        share = comb(n, right) * mean**right * (1 - mean) ** (n - right)
        if share < 1e-13:
            continue
        low, high = interval95([[1]] * right + [[0]] * (n - right)) or (0.0, 1.0)
        covered += share * (low <= mean <= high)
        width += share * (high - low)
    return covered, width


def draws(rng: np.random.Generator, n: int, k: int, mean: float, rho: float) -> np.ndarray:
    """Right samples of each problem, shape (n,)."""
    rates = rng.beta(mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho, size=n)
    return rng.binomial(k, rates)


def simulated(rng: np.random.Generator, n: int, k: int, mean: float, rho: float, runs: int) -> tuple[float, float]:
    """Coverage and mean width over `runs` simulated evaluations."""
    outcomes = [[1] * right + [0] * (k - right) for right in range(k + 1)]
    held = width = 0.0
    for _ in range(runs):
        low, high = interval95([outcomes[right] for right in draws(rng, n, k, mean, rho)]) or (0.0, 1.0)
        assert high > low
        held += low <= mean <= high
        width += high - low
    return held / runs, width / runs


def rows(runs: int, seed: int) -> Iterator[tuple[object, ...]]:
    for n in SIZES:
        for k in SAMPLES:
            for mean in MEANS:
                if k == 1:
                    yield n, k, mean, "-", *exact(n, mean)
                    continue
                for rho in RHOS:
                    rng = np.random.default_rng([seed, n, k, int(100 * mean), int(100 * rho)])
                    yield n, k, mean, rho, *simulated(rng, n, k, mean, rho, runs)


def alarms(n: int, k: int, rho: float, runs: int, seed: int) -> tuple[float, float]:
    """Of two equal models: share told apart, and share whose interval holds 0."""
    rng = np.random.default_rng([seed, n, k, int(100 * rho), 7])
    told = held = 0
    for _ in range(runs):
        rates = rng.beta(0.4 * (1 - rho) / rho, 0.6 * (1 - rho) / rho, size=n)
        one, other = (
            {str(at): Fraction(int(right), k) for at, right in enumerate(rng.binomial(k, rates))} for _ in range(2)
        )
        found = compare_paired(one, other)
        told += bool(found.distinguishable)
        assert found.ci95 is not None
        held += found.ci95[0] <= 0 <= found.ci95[1]
    return told / runs, held / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    print("| problems | k | mean | rho | coverage | mean width |\n|---|---|---|---|---|---|")
    lowest = 1.0
    for n, k, mean, rho, coverage, width in rows(told.runs, told.seed):
        lowest = min(lowest, float(str(coverage)))
        print(f"| {n} | {k} | {mean} | {rho} | {coverage:.3f} | {width:.3f} |", flush=True)
    print(f"\nlowest coverage: {lowest:.4f}")
    print("\n| problems | k | rho | equal models told apart | interval holds 0 |\n|---|---|---|---|---|")
    for n, k, rho in ((30, 1, 0.5), (30, 16, 0.5), (100, 4, 0.5), (100, 4, 0.9)):
        apart, held = alarms(n, k, rho, told.runs // 2, told.seed)
        print(f"| {n} | {k} | {rho} | {apart:.3f} | {held:.3f} |", flush=True)


if __name__ == "__main__":
    main()
