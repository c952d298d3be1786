"""How many rollouts of a group a share of it is; the checks of a recipe and the trainer must agree to the rollout."""

from __future__ import annotations

from fractions import Fraction
from math import floor


def guided_count(fraction: float, group_size: int) -> int:
    """fraction * group_size, rounded half up; 0..group_size.

    Reckoned on the decimal that was written: 0.29 * 50 is 14.5 and gives 15, though the float product is below it.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction {fraction} outside [0, 1]")
    return floor(Fraction(repr(fraction)) * group_size + Fraction(1, 2))
