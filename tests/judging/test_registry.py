"""Judges by kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.arithmetic.judge import from_options
from sgpo_cli.judging.registry import JUDGES, load_judge
from sgpo_cli.judging.verdict import Solution


def test_judges_that_need_no_options_have_their_kind_for_a_name() -> None:
    for kind in ("arithmetic", "hops_oracle", "reference"):
        assert load_judge(kind, {}).name == kind


def test_every_kind_has_a_shipped_card_that_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening asks no server and loads no model: that happens at the first question."""
    from sgpo_cli.recipe.cards import load_judge_card
    from sgpo_cli.recipe.find import list_cards
    from sgpo_cli.recipe.schema import HopsTask
    from sgpo_cli.stages.judging import close_judge, open_judge

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("HF_TOKEN", "x")
    names = [card.name for card in list_cards("judges")]
    assert {load_judge_card(name).kind for name in names} == set(JUDGES)
    for name in names:
        if name == "learned":
            continue  # opens where a recipe trained one (test_learned_judge.py)
        judge = open_judge(name, task=HopsTask(), store=tmp_path / "verdicts.sqlite")
        assert judge.name
        close_judge(judge)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean arithmetic"):
        load_judge("arithmetics", {})


@pytest.mark.parametrize(
    "options", [{"nonsense": 1}, {"places": "1"}, {"approximate": -1}, {"approximate": 2}, {"places": True}]
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(UserError):
        load_judge("arithmetic", options)


def test_the_shipped_card_states_the_defaults_that_the_judge_has() -> None:
    from dataclasses import asdict

    from sgpo_cli.judging.arithmetic.compare import Tolerance
    from sgpo_cli.recipe.cards import load_judge_card
    from sgpo_cli.recipe.judgecards import ArithmeticCard

    card = load_judge_card("arithmetic")
    assert card == ArithmeticCard()
    options = {key: value for key, value in asdict(card).items() if key != "kind"}
    assert options and from_options(options).tolerance == Tolerance()


def test_a_card_out_of_range_is_refused(here: Path) -> None:
    from sgpo_cli.errors import RecipeError
    from sgpo_cli.recipe.cards import load_judge_card

    (here / "judges").mkdir()
    (here / "judges" / "lax.yaml").write_text("kind: arithmetic\nplaces: -1\napproximate: '0.1'\n")
    with pytest.raises(RecipeError) as caught:
        load_judge_card("lax")
    assert len(caught.value.mistakes) == 2


def test_options_change_what_is_flagged() -> None:
    def flags(options: dict[str, object], step: str) -> bool:
        return load_judge("arithmetic", options).judge([Solution("p", (step,))])[0].first_error == 0

    assert flags({"places": 0.4}, "2 / 3 = 0.66") and not flags({}, "2 / 3 = 0.66")
    assert flags({"approximate": 0}, "it is about 212 * 3 = 643") and not flags({}, "it is about 212 * 3 = 643")
