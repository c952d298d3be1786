"""The graded reward of a wrong answer: below 1 (a right answer's) and increasing in its prefix score s.

Form from papers that describe SGPO (arXiv 2505.11595); beta and gamma are not published. A circulating copy prints
the exponent with the sign reversed, which rewards the *earlier* error: the tests pin monotonicity.
"""

from __future__ import annotations

import math
from typing import Literal

Shape = Literal["logistic", "linear"]

_BELOW_ONE = math.nextafter(1.0, 0.0)


def logistic(score: float, *, beta: float, gamma: float) -> float:
    """sigmoid(beta*(s-gamma)), s in [0,1]; 1/2 at s = gamma."""
    z = beta * (score - gamma)
    if z >= 0:
        return min(1.0 / (1.0 + math.exp(-z)), _BELOW_ONE)
    e = math.exp(z)
    return e / (1.0 + e)


def linear(score: float, *, wrong_max: float) -> float:
    """wrong_max*s, s in [0,1]; `wrong_max` < 1 keeps a wrong answer below a right one."""
    return wrong_max * score


def graded_reward(score: float, *, shape: Shape, beta: float, gamma: float, wrong_max: float) -> float:
    """Reward of a wrong answer with prefix score `score` in [0,1]."""
    if not 0.0 <= score <= 1.0:
        raise ValueError(f"prefix score {score} outside [0, 1]")
    if shape == "logistic":
        return logistic(score, beta=beta, gamma=gamma)
    return linear(score, wrong_max=wrong_max)
