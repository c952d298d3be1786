"""Judge-informed guidance (ours; neither paper has it): help reaches just past where the problem goes wrong.

After a group, its problem's next guidance is
- first_error + 1 steps, when the group was all-negative and judged; first_error is its furthest rollout's, guided ones
  included, so that a guided rollout that fails later asks for more;
- one step less than it had, when its unguided rollouts succeed at least `shrink_at` of the time;
- what it was, otherwise.

Where every problem comes once (task `hops`, one pass over a file) no problem's own memory is ever read. What carries
over is a summary: the mean of those first two kinds of wish over the last `window` groups that had one. It is what a
new problem gets. Successes are in it because all-negative groups alone would hold it up when they have become rare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sgpo_cli.methods.guidance.rounding import half_up
from sgpo_cli.methods.guidance.signal import ProblemFact, Signal
from sgpo_cli.recipe.guidance import GuidanceJudged


@dataclass(frozen=True, slots=True)
class JudgedState:
    own: Mapping[str, int] = field(default_factory=dict)
    """Steps for each problem that has come before; not to be changed."""
    wishes: tuple[int, ...] = ()
    """The last groups' wishes, oldest first."""


class Judged:
    def __init__(self, config: GuidanceJudged, _seed: int, _steps: int) -> None:
        self.config = config

    def start(self) -> JudgedState:
        return JudgedState()

    def update(self, state: JudgedState, signal: Signal) -> JudgedState:
        own = dict(state.own)
        wishes: list[int] = []
        for fact in signal.problems:
            had = min(half_up(self.length(state, fact.problem)), self._reach(fact))
            wish = self._wish(fact, had)
            own[fact.problem] = had if wish is None else wish
            if wish is not None:
                wishes.append(wish)
        return JudgedState(own, (*state.wishes, *wishes)[-self.config.window :])

    def _wish(self, fact: ProblemFact, had: int) -> int | None:
        """Steps that the group asks for; None when it says nothing."""
        if fact.all_negative:
            return None if fact.first_error is None else min(fact.first_error + 1, self._reach(fact))
        if fact.unguided is not None and fact.unguided >= self.config.shrink_at:
            return max(had - 1, 0)
        return None

    def _reach(self, fact: ProblemFact) -> int:
        return self.config.cap if fact.trace_steps is None else min(self.config.cap, fact.trace_steps)

    def length(self, state: JudgedState, problem: str) -> float:
        own = state.own.get(problem)
        return self.mean_length(state) if own is None else float(own)

    def mean_length(self, state: JudgedState) -> float:
        """What a problem gets that has not come before."""
        if not state.wishes:
            return float(self.config.length)
        return math.fsum(state.wishes) / len(state.wishes)

    def to_json(self, state: JudgedState) -> dict[str, Any]:
        return {"own": dict(state.own), "wishes": list(state.wishes)}

    def from_json(self, data: Mapping[str, Any]) -> JudgedState:
        own = {str(problem): int(steps) for problem, steps in data["own"].items()}
        return JudgedState(own, tuple(int(wish) for wish in data["wishes"]))
