"""`scope: per_problem`: a problem whose group stays all-negative gets more of its own trace the next time it comes.

Laid over any schedule: the length is the schedule's plus the problem's own. An all-negative group adds `grow` units to
that (not past what may be given: what cannot be given does not pile up), an unguided success takes them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from sgpo_cli.methods.guidance.schedule import S, Schedule
from sgpo_cli.methods.guidance.signal import ProblemFact, Signal
from sgpo_cli.recipe.guidance import Scheduled


@dataclass(frozen=True, slots=True)
class OwnState(Generic[S]):
    shared: S
    """The schedule's own state."""
    own: Mapping[str, int] = field(default_factory=dict)
    """Extra units of each problem that has some; not to be changed."""


class PerProblem(Generic[S]):
    def __init__(self, schedule: Schedule[S], config: Scheduled) -> None:
        self.schedule = schedule
        self.config = config

    def start(self) -> OwnState[S]:
        return OwnState(self.schedule.start())

    def update(self, state: OwnState[S], signal: Signal) -> OwnState[S]:
        own = dict(state.own)
        for fact in signal.problems:
            extra = self._extra(fact, own.get(fact.problem, 0), self.schedule.length(state.shared, fact.problem))
            own.pop(fact.problem, None)
            if extra:
                own[fact.problem] = extra
        return OwnState(self.schedule.update(state.shared, signal), own)

    def _extra(self, fact: ProblemFact, extra: int, base: float) -> int:
        if fact.all_negative:
            # A trace is measured in steps; how many tokens may be given is only known when it is cut.
            reach = self.config.cap
            if fact.trace_steps is not None and self.config.unit == "steps":
                reach = min(reach, fact.trace_steps)
            return extra + self.config.grow if base + extra < reach else extra
        if fact.unguided is not None and fact.unguided > 0.0:
            return max(extra - self.config.grow, 0)
        return extra

    def length(self, state: OwnState[S], problem: str) -> float:
        asked = self.schedule.length(state.shared, problem) + state.own.get(problem, 0)
        return min(asked, float(self.config.cap))

    def mean_length(self, state: OwnState[S]) -> float:
        """What a problem without units of its own gets."""
        return self.schedule.mean_length(state.shared)

    def to_json(self, state: OwnState[S]) -> dict[str, Any]:
        return {"shared": self.schedule.to_json(state.shared), "own": dict(state.own)}

    def from_json(self, data: Mapping[str, Any]) -> OwnState[S]:
        own = {str(problem): int(units) for problem, units in data["own"].items()}
        return OwnState(self.schedule.from_json(data["shared"]), own)
