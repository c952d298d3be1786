"""How far a judge can be trusted, measured without labels: where the verifier speaks, in mixed groups. Ours.

A rescued group's advantages are those that a judge gives, in the place of those that the verifier cannot give. So ask
what the first say about the second. In a mixed group both exist: a, the verifier's advantages, and j, what the judge's
scores alone would have given, right answers scored like wrong ones. The best linear prediction of a from j is b*j with

    b = sum <a, j> / sum <j, j>        (sums over mixed groups)

and a rescued group's weight is `gain * b * (1 - (e/b)^2)`, held to [0, 1]. A judge that says nothing about the
outcome has b = 0, an inverted one b < 0, and the group is then left as GRPO had it. b is also the weight at which the
noise that a judge adds to the gradient is matched to what it tells: j counts by its own power <j, j>, which is large
where scores are random.

e is the standard error that chance alone gives b: sum <a, j> then has the variance |a|^2 |j|^2/(n-1) in a group of n.
The last factor makes of b its posterior mean under a normal prior around 0 whose variance is taken from b itself
(empirical Bayes, the positive part of James and Stein's estimator); within one standard error of 0 it is 0. `caution`
is added to the power, so that the first few groups do not decide. `gain` > 1, for the outcome is itself a noisy
measure: right answers from wrong steps lower b for every judge, a perfect one included. Derivation and study:
docs/trust.md.

Evidence fades as policy and judge move on: each further mixed group multiplies what came before by 1 - 1/memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sgpo_cli.methods.advantages import Scaling, group_advantages
from sgpo_cli.methods.outcomes import Outcome
from sgpo_cli.recipe.kinds import Trust


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one mixed group says of the judge."""

    agreement: float
    """<a, j>: positive where the judge puts right answers above wrong ones."""
    power: float
    """<j, j>."""
    variance: float
    """Of `agreement` over all orders of the judge's scores: what chance gives."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What all mixed groups so far say of the judge, older ones faded."""

    agreement: float = 0.0
    power: float = 0.0
    variance: float = 0.0
    groups: int = 0
    """Mixed groups seen, none of them faded."""

    def learn(self, evidence: Iterable[Evidence], config: Trust) -> Standing:
        """With further groups, in order."""
        now, keep = self, 1.0 - 1.0 / config.memory
        for one in evidence:
            now = Standing(
                keep * now.agreement + one.agreement,
                keep * now.power + one.power,
                keep**2 * now.variance + one.variance,
                now.groups + 1,
            )
        return now

    def slope(self, config: Trust) -> float:
        """b: how much of the verifier's advantage one unit of the judge's foretells, after `caution`."""
        return self.agreement / (self.power + config.caution)

    def error(self, config: Trust) -> float:
        """Standard error of `slope` if the judge said nothing."""
        return math.sqrt(self.variance) / (self.power + config.caution)

    def weight(self, config: Trust) -> float:
        """Weight of a rescued group, in [0, 1]; 0 unless the slope is above its standard error."""
        slope, error = self.slope(config), self.error(config)
        if slope <= error:
            return 0.0
        return min(1.0, config.gain * slope * (1.0 - (error / slope) ** 2))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def group_evidence(
    outcomes: Sequence[Outcome], rewards: Sequence[float | None], *, scaling: Scaling, floor: float
) -> Evidence | None:
    """What a group says of the judge; None unless a right and a wrong answer of it were judged.

    Args:
        outcomes: the verifier's, one a rollout; those with None are left out.
        rewards: what the judge's prefix score alone is worth to each, right answers like wrong ones; None: not judged.
        scaling, floor: of a rescued group's advantages.
    """
    both = [(o, r) for o, r in zip(outcomes, rewards, strict=True) if o is not None and r is not None]
    if {outcome for outcome, _ in both} != {0, 1}:
        return None
    verified = group_advantages([float(outcome) for outcome, _ in both], scaling="std")
    judged = group_advantages([reward for _, reward in both], scaling=scaling, floor=floor)
    power = math.fsum(j * j for j in judged)
    return Evidence(
        agreement=math.fsum(a * j for a, j in zip(verified, judged, strict=True)),
        power=power,
        variance=power * math.fsum(a * a for a in verified) / (len(both) - 1),
    )


def labelled_slope(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The slope of true rewards on the judge's, over labelled answers, held to [0, 1]; None if the judge's are equal.

    `pairs`: (reward by the judge's prefix score, reward by the true one).
    """
    if len(pairs) < 2:
        return None
    judged = math.fsum(j for j, _ in pairs) / len(pairs)
    true = math.fsum(t for _, t in pairs) / len(pairs)
    power = math.fsum((j - judged) ** 2 for j, _ in pairs)
    if power <= 1e-12 * len(pairs):
        return None
    return min(1.0, max(0.0, math.fsum((j - judged) * (t - true) for j, t in pairs) / power))


def from_labels(slope: float, config: Trust) -> Standing:
    """Where labelled figures put a judge before any mixed group: at weight `slope`, as firmly as `config.labels`
    units of power would (less `caution`). Of chance there is none: labelled answers are many."""
    power = float(config.labels)
    return Standing(agreement=slope / config.gain * power, power=power)
