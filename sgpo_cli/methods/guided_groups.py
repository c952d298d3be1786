"""A rescue in groups some of whose rollouts are guided: who is compared with whom.

A guided rollout was given its first k steps. Compared by whole-response prefix scores it beats every unguided one of an
all-negative group: its own first mistake is rewarded for what was given, and the order of the unguided ones drowns. And
one guided success takes the whole group away from the rescue, though its unguided rollouts are as wrong as before.

So, where every unguided rollout is wrong, the unguided ones are a group of their own, whatever the guided ones did;
guided ones keep GRPO's advantages over the whole group: none if they are wrong too, a large one for a success. Where an
unguided rollout is right, the group is one, and what is graded there (`when: all_incorrect`) is graded by the steps
that a rollout earned itself (`methods/prefix.earned_score`). Tried against other ways in docs/log.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.methods.groups import Group, RescueMethod, Scored
from sgpo_cli.methods.outcomes import Outcome

Part = tuple[int, ...]
"""Places of a group that are compared with one another."""


def part_of(outcomes: Sequence[Outcome], guided: Sequence[bool]) -> Part:
    """The places that a rescue is offered, as a group of their own; the others stay GRPO's."""
    everyone = tuple(range(len(outcomes)))
    own = tuple(i for i in everyone if not guided[i])
    return own if own and all(outcomes[i] == 0 for i in own) else everyone


def wants(
    method: RescueMethod, outcomes: Sequence[Outcome], truncated: Sequence[bool], guided: Sequence[bool]
) -> tuple[bool, ...]:
    """Which rollouts of a group a judge has to read for the rescue."""
    part = part_of(outcomes, guided)
    wanted = [False] * len(outcomes)
    asked = method.wants(tuple(outcomes[i] for i in part), tuple(truncated[i] for i in part))
    for i, ask in zip(part, asked, strict=True):
        wanted[i] = ask
    return tuple(wanted)


def rescue(method: RescueMethod, group: Group, guided: Sequence[bool]) -> tuple[Part, Scored] | None:
    """The part that the rescue takes, with its new rewards, advantages and reasons; None leaves what GRPO gave."""
    part = part_of(group.outcomes, guided)
    scored = method.rescue(_only(group, part))
    return None if scored is None else (part, scored)


def _only(group: Group, part: Part) -> Group:
    return Group(
        outcomes=tuple(group.outcomes[i] for i in part),
        truncated=tuple(group.truncated[i] for i in part),
        prefix=tuple(group.prefix[i] for i in part),
        other=tuple(group.other[i] for i in part),
        outcome_weight=group.outcome_weight,
    )
