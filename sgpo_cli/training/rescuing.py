"""A batch of rollouts through a rescue: classes, reasons, and new advantages for the groups that it takes."""

from __future__ import annotations

from sgpo_cli.methods.advantages import ZERO_ADVANTAGE
from sgpo_cli.methods.groups import Group, RescueMethod
from sgpo_cli.methods.guided_groups import rescue
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


def rescue_groups(batch: Batch, method: RescueMethod, outcome_weight: float, trust: float = 1.0) -> list[int]:
    """Writes rewards, advantages and reasons of the rescued groups; the row numbers that changed.

    Advantages are `trust` parts of the rescue's and 1 - `trust` of GRPO's, which are 0 in an all-negative group without
    other rewards. In a step that fell back, and with no trust at all, the groups in question keep GRPO's advantages,
    with reason `fallback` or `untrusted`.
    """
    changed: list[int] = []
    for number, rows in enumerate(batch.groups()):
        taken = rescue(method, _group(rows, outcome_weight), [rollout.prefix_tokens > 0 for rollout in rows])
        if taken is None:
            continue
        part, scored = taken
        if batch.fallback or trust <= 0.0:
            for place in part:
                rows[place].reason = "fallback" if batch.fallback else "untrusted"
            continue
        for place, reward, advantage, reason in zip(
            part, scored.rewards, scored.advantages, scored.reasons, strict=True
        ):
            rows[place].reward, rows[place].reason = reward, reason
            rows[place].advantage = _mixed(advantage, rows[place].advantage, trust)
        moved = any(abs(rows[place].advantage) > ZERO_ADVANTAGE for place in part)
        batch.rescued[number] = moved and batch.kinds[number] == "all_negative"
        start = number * batch.group_size
        changed.extend(start + place for place in part)
    return changed


def _mixed(rescue: float, grpo: float, trust: float) -> float:
    return rescue if trust >= 1.0 else trust * rescue + (1.0 - trust) * grpo


def _group(rows: list[Rollout], outcome_weight: float) -> Group:
    return Group(
        outcomes=tuple(rollout.outcome for rollout in rows),
        truncated=tuple(rollout.truncated for rollout in rows),
        prefix=tuple(rollout.earned for rollout in rows),
        other=tuple(rollout.other for rollout in rows),
        outcome_weight=outcome_weight,
    )
