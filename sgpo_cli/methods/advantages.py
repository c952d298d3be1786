"""Advantages of one group from its rewards.

GRPO (arXiv 2402.03300, section 4.1): (r - mean) / std. TRL's convention is followed, so that `std` gives what TRL
would: the unbiased standard deviation (n - 1), plus 1e-4. Plain floats; a group is a handful of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Scaling = Literal["std", "std_floor", "mean_only"]

STD_EPS = 1e-4
"""What TRL adds to the standard deviation."""
EQUAL_REWARDS = 1e-6
"""Rewards closer than this are equal: they are sums of floats, and a difference of one bit is no signal."""
ZERO_ADVANTAGE = 1e-6
"""An advantage below this moves nothing; it counts as zero in the ledger."""


def group_advantages(
    rewards: Sequence[float | None],
    *,
    scaling: Scaling = "std",
    floor: float = 0.05,
    weight: float = 1.0,
) -> list[float]:
    """Advantages, one a row; a row whose reward is None is outside the baseline and gets 0.

    All are 0 when fewer than two rewards are known or when the known ones are equal.
    """
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2 or max(known) - min(known) <= EQUAL_REWARDS:
        return [0.0] * len(rewards)
    mean = math.fsum(known) / len(known)
    divisor = _divisor(known, mean, scaling, floor)
    return [0.0 if reward is None else weight * (reward - mean) / divisor for reward in rewards]


def _divisor(known: Sequence[float], mean: float, scaling: Scaling, floor: float) -> float:
    if scaling == "mean_only":
        return 1.0
    variance = math.fsum((reward - mean) ** 2 for reward in known) / (len(known) - 1)
    std = math.sqrt(variance) + STD_EPS
    return max(std, floor) if scaling == "std_floor" else std
