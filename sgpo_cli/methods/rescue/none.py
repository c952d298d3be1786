"""Plain GRPO: all-negative groups stay without a signal."""

from __future__ import annotations

from typing import Literal

from sgpo_cli.methods.groups import Group, Scored
from sgpo_cli.methods.outcomes import Outcome
from sgpo_cli.recipe.kinds import RescueNone


class NoRescue:
    needs_judge = False
    unit: Literal["steps", "tokens"] = "steps"

    def __init__(self, _config: RescueNone | None = None) -> None:
        pass

    def wants(self, outcomes: tuple[Outcome, ...], truncated: tuple[bool, ...]) -> tuple[bool, ...]:
        return (False,) * len(outcomes)

    def rescue(self, group: Group) -> Scored | None:
        return None
