"""Judges by kind."""

from __future__ import annotations

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.registry import JUDGES, load_judge


def test_every_kind_loads_with_its_own_name() -> None:
    for kind in JUDGES:
        assert load_judge(kind, {}).name == kind


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean arithmetic"):
        load_judge("arithmetics", {})


@pytest.mark.parametrize("options", [{"nonsense": 1}, {"places": "1"}, {"approximate": -1}, {"places": True}])
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(UserError):
        load_judge("arithmetic", options)
