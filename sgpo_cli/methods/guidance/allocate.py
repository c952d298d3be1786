"""Which rollouts of a group are guided: always its first n, the same n in every group.

The released G2RPO-A code lists 84 guided places by hand; with its own group size the counts are 2,2,2,2,2,0,2.
"""

from __future__ import annotations

from sgpo_cli.recipe.shares import guided_count

__all__ = ["guided_count", "guided_mask", "is_guided"]


def is_guided(row: int, fraction: float, group_size: int) -> bool:
    """Whether a row is guided; `row` is its index in the batch of all ranks, where groups follow one another."""
    return row % group_size < guided_count(fraction, group_size)


def guided_mask(fraction: float, group_size: int) -> tuple[bool, ...]:
    """One group's places, `group_size` of them: guided ones first."""
    count = guided_count(fraction, group_size)
    return tuple(place < count for place in range(group_size))
