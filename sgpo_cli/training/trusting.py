"""The judge on trial while it works: mixed groups read beside the rescued ones, and the weight that follows.

Every rank holds a `Trial`; it learns from the gathered batch, so that it is the same everywhere. A guided rollout says
nothing of the judge, for its outcome is not its own: only a group's unguided rollouts count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sgpo_cli.methods.groups import RescueMethod
from sgpo_cli.methods.outcomes import Outcome, classify
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.methods.trust import Evidence, Standing, group_evidence
from sgpo_cli.recipe.kinds import Trust
from sgpo_cli.training.rollouts import Batch, Rollout, TrustFigures

Known = tuple[Outcome, bool, bool]
"""What decides whether a rollout is judged: its outcome, whether it is truncated, whether it has a prefix."""


class Trial:
    """The standing of one run's judge, from before its first step."""

    def __init__(self, method: Stepwise, config: Trust, standing: Standing | None = None) -> None:
        self.method = method
        self.config = config
        self.standing = standing or Standing()

    def reads(self, groups: Sequence[Sequence[Known]]) -> list[list[bool]]:
        """Which rollouts the judge reads to be measured: those of the first `budget` mixed groups, in batch order."""
        left, wanted = self.config.budget, []
        for group in groups:
            own = [not prefixed and o is not None and self.method.reads(cut) for o, cut, prefixed in group]
            outcomes = [row[0] for row, mine in zip(group, own, strict=True) if mine]
            taken = left > 0 and bool(outcomes) and classify(outcomes) == "mixed"
            left -= taken
            wanted.append([taken and mine for mine in own])
        return wanted

    def learn(self, batch: Batch) -> float:
        """Takes in a step's mixed groups; notes in the batch what is known of the judge now, and gives its weight.

        A step on which the judge failed too often (`batch.fallback`) says nothing.
        """
        found: list[Evidence] = []
        if not batch.fallback:
            found = [one for one in map(self._evidence, batch.groups()) if one is not None]
            self.standing = self.standing.learn(found, self.config)
        standing, config = self.standing, self.config
        batch.trust = TrustFigures(
            weight=standing.weight(config),
            slope=standing.slope(config),
            error=standing.error(config),
            power=standing.power,
            groups=standing.groups,
            read=len(found),
        )
        return batch.trust.weight

    def _evidence(self, rows: list[Rollout]) -> Evidence | None:
        own = [rollout for rollout in rows if not rollout.prefix_tokens]
        rewards = [self._reward(rollout) for rollout in own]
        config = self.method.config
        return group_evidence([rollout.outcome for rollout in own], rewards, scaling=config.scaling, floor=config.floor)

    def _reward(self, rollout: Rollout) -> float | None:
        if rollout.prefix is None or not self.method.reads(rollout.truncated):
            return None
        return self.method.graded(rollout.prefix)

    def save(self) -> dict[str, Any]:
        """The standing, for a checkpoint."""
        return self.standing.to_json()

    def restore(self, saved: dict[str, Any]) -> None:
        """Goes on from what `save` gave."""
        self.standing = Standing(**saved)


def trial_of(method: RescueMethod) -> Trial | None:
    """The trial that a rescue asks for; None where every judge has full weight."""
    if not isinstance(method, Stepwise) or method.config.trust is None:
        return None
    return Trial(method, method.config.trust)
