"""A batch of rollouts through a rescue: classes, reasons, and new advantages for the groups that it takes."""

from __future__ import annotations

from sgpo_cli.methods.advantages import ZERO_ADVANTAGE
from sgpo_cli.methods.groups import Group, RescueMethod
from sgpo_cli.methods.outcomes import GroupClass, classify
from sgpo_cli.training.rollouts import Batch, Rollout


def classify_groups(batch: Batch) -> list[GroupClass]:
    return [classify([rollout.outcome for rollout in rows]) for rows in batch.groups()]


def leave_as_grpo(batch: Batch) -> None:
    """Reasons of plain GRPO's advantages; the start of every batch, and all of it without a rescue."""
    batch.rescued = [False] * len(batch.kinds)
    for rollout in batch.rollouts:
        if rollout.reward is None or rollout.outcome is None:
            rollout.reason = "ungraded"
        else:
            rollout.reason = "verified" if abs(rollout.advantage) > ZERO_ADVANTAGE else "no_contrast"


def rescue_groups(batch: Batch, method: RescueMethod, outcome_weight: float) -> list[int]:
    """Writes rewards, advantages and reasons of the rescued groups; the row numbers that changed.

    In a step that fell back, the groups in question keep GRPO's advantages, with reason `fallback`.
    """
    changed: list[int] = []
    for number, rows in enumerate(batch.groups()):
        scored = method.rescue(_group(rows, outcome_weight))
        if scored is None:
            continue
        if batch.fallback:
            for rollout in rows:
                rollout.reason = "fallback"
            continue
        for rollout, reward, advantage, reason in zip(
            rows, scored.rewards, scored.advantages, scored.reasons, strict=True
        ):
            rollout.reward, rollout.advantage, rollout.reason = reward, advantage, reason
        moved = any(abs(advantage) > ZERO_ADVANTAGE for advantage in scored.advantages)
        batch.rescued[number] = moved and batch.kinds[number] == "all_negative"
        start = number * batch.group_size
        changed.extend(range(start, start + len(rows)))
    return changed


def _group(rows: list[Rollout], outcome_weight: float) -> Group:
    return Group(
        outcomes=tuple(rollout.outcome for rollout in rows),
        truncated=tuple(rollout.truncated for rollout in rows),
        prefix=tuple(rollout.prefix for rollout in rows),
        other=tuple(rollout.other for rollout in rows),
        outcome_weight=outcome_weight,
    )
