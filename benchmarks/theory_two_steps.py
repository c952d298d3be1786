"""The theory check: two Bernoulli steps, where GRPO's silence on all-wrong groups can be counted exactly.

A response is two steps with success probabilities p1 and p2, one logit each; it is right when both are. A wrong one has
prefix score 0 or 1/2. Policy gradient with the product's own advantages (`methods/`): groups of 8, 8 groups an
iteration, learning rate .1, gradient averaged over the 64 responses. Reported: iterations until P(right) >= .9, median
over seeds.

Dividing by the std here is TRL's (unbiased); with the biased one those columns are sqrt(7/8) of what is printed.

    python benchmarks/theory_two_steps.py            the whole table (about a minute)
    python benchmarks/theory_two_steps.py --quick    the easy half
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from dataclasses import dataclass

from sgpo_cli.methods.advantages import Scaling, group_advantages
from sgpo_cli.methods.groups import Group
from sgpo_cli.methods.prefix import steps_score
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.recipe.kinds import RescueStepwise

GROUP, GROUPS, RATE, GOAL = 8, 8, 0.1, 0.9


@dataclass(frozen=True)
class Method:
    """GRPO when `rescue` is None; `scaling` is that of every group, mixed ones included."""

    name: str
    scaling: Scaling
    rescue: Stepwise | None = None
    flip: float = 0.0
    """Probability that the judge's verdict on the first step is the opposite of the truth."""


def sgpo(scaling: Scaling, flip: float = 0.0, name: str = "SGPO") -> Method:
    config = RescueStepwise(shape="linear", wrong_max=0.99, scaling=scaling)
    return Method(name, scaling, Stepwise(config), flip)


METHODS = [
    Method("GRPO", "std"),
    sgpo("std"),
    sgpo("mean_only", name="SGPO without std"),
    Method("GRPO without std", "mean_only"),
]


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def advantages(method: Method, outcomes: list[int], scores: list[float]) -> list[float]:
    """Advantages of one group of responses with these prefix scores."""
    if method.rescue is not None:
        n = len(outcomes)
        scored = method.rescue.rescue(Group(tuple(outcomes), (False,) * n, tuple(scores), (0.0,) * n))
        if scored is not None:
            return list(scored.advantages)
    return group_advantages(outcomes, scaling=method.scaling)


def iterations(method: Method, p1: float, p2: float, seed: int, limit: int) -> int:
    """Iterations until P(right) >= .9; `limit` when it takes longer."""
    rng = random.Random(seed)
    logits = [math.log(p / (1 - p)) for p in (p1, p2)]
    for iteration in range(limit):
        p = [sigmoid(z) for z in logits]
        if p[0] * p[1] >= GOAL:
            return iteration
        gradient = [0.0, 0.0]
        for _ in range(GROUPS):
            steps = [(rng.random() < p[0], rng.random() < p[1]) for _ in range(GROUP)]
            outcomes = [int(first and second) for first, second in steps]
            scores = [steps_score(int(first != (rng.random() < method.flip)), 2) for first, _ in steps]
            for pair, advantage in zip(steps, advantages(method, outcomes, scores), strict=True):
                for i in (0, 1):
                    gradient[i] += advantage * (pair[i] - p[i])
        logits = [z + RATE * g / (GROUP * GROUPS) for z, g in zip(logits, gradient, strict=True)]
    return limit


def median(method: Method, p: float, *, seeds: int, limit: int) -> int:
    return int(statistics.median(iterations(method, p, p, seed, limit) for seed in range(seeds)))


def shown(value: int, limit: int) -> str:
    return f">{limit}" if value >= limit else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the easy half of the table")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=6000, help="give up after so many iterations")
    asked = parser.parse_args()
    table = [[f"{'p1, p2':<10}", *(f"{method.name:>18}" for method in METHODS)]]
    for p in (0.5, 0.1) if asked.quick else (0.5, 0.1, 0.05, 0.02):
        found = [median(method, p, seeds=asked.seeds, limit=asked.limit) for method in METHODS]
        table.append([f"{p:g}, {p:g}".ljust(10), *(f"{shown(value, asked.limit):>18}" for value in found)])
    print("\n".join("".join(row) for row in table))
    if not asked.quick:
        noise = [
            (q, median(sgpo("std", q), 0.05, seeds=asked.seeds, limit=asked.limit)) for q in (0, 0.1, 0.25, 0.4, 0.5)
        ]
        print("SGPO at .05, .05 with verdicts flipped:", ", ".join(f"{q:g}: {n}" for q, n in noise))


if __name__ == "__main__":
    main()
