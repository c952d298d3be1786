"""Whole units from a real length. The last bit of a float never costs a unit: 2 * (0.15/0.05) is 6, not 5."""

from __future__ import annotations

import math

_SLACK = 1e-9
"""Relative; far above rounding error, far below any difference that a signal can make."""


def floor_units(length: float) -> int:
    return math.floor(length + _SLACK * max(1.0, abs(length)))


def half_up(length: float) -> int:
    """To the nearest whole number, halves up: 0.5 -> 1, 1.5 -> 2, 2.5 -> 3."""
    return floor_units(length + 0.5)
