"""Classes of groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.methods.outcomes import classify

outcomes = st.lists(st.sampled_from([0, 1, None]), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ([1, 1], "all_correct"),
        ([0, 0], "all_negative"),
        ([0, 1], "mixed"),
        ([0, 1, None], "mixed"),
        ([0, 0, None], "ungraded"),
        ([1, None], "ungraded"),
        ([None, None], "ungraded"),
    ],
)
def test_by_hand(group: list[int | None], kind: str) -> None:
    assert classify(group) == kind


def test_an_empty_group_is_a_bug() -> None:
    with pytest.raises(ValueError, match="at least one"):
        classify([])


@given(outcomes)
def test_order_does_not_matter(group: list[int | None]) -> None:
    assert classify(group) == classify(group[::-1])


@given(outcomes)
def test_an_unknown_outcome_never_leaves_a_group_all_negative(group: list[int | None]) -> None:
    assert classify([*group, None]) in {"mixed", "ungraded"}
