"""Cards: where they are found, what shadows what, and the mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from sgpo_cli.errors import RecipeError, UserError
from sgpo_cli.recipe.cards import load_eval_card, load_judge_card
from sgpo_cli.recipe.find import Kind, find_card, list_cards
from sgpo_cli.recipe.judgecards import ArithmeticCard, HopsOracleCard
from tests.conftest import REPOSITORY
from tests.recipe.files import write


def test_a_local_card_hides_an_installed_one(here: Path) -> None:
    assert find_card("judges", "hops_oracle") == REPOSITORY / "judges" / "hops_oracle.yaml"
    assert load_judge_card("hops_oracle") == HopsOracleCard()
    mine = write(here / "judges" / "hops_oracle.yaml", "\n# Not what it says.\n\n# more\nkind: arithmetic\n")
    assert find_card("judges", "hops_oracle") == mine
    assert load_judge_card("hops_oracle") == ArithmeticCard()
    [listed] = [card for card in list_cards("judges") if card.name == "hops_oracle"]
    assert (listed.path, listed.description) == (mine, "Not what it says.")


def test_the_installed_form_of_the_package_comes_first(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel the cards lie under sgpo_cli/_cards; find.py finds them from where it lies itself."""
    from sgpo_cli.recipe import find

    monkeypatch.setattr(find, "__file__", str(here / "site" / "sgpo_cli" / "recipe" / "find.py"))
    shipped = write(here / "site" / "sgpo_cli" / "_cards" / "judges" / "shipped.yaml", "kind: arithmetic\n")
    assert find_card("judges", "shipped") == shipped


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_shipped_card_has_a_description_and_loads(here: Path, kind: Kind) -> None:
    cards = list_cards(kind)
    assert cards
    for card in cards:
        assert card.description, card.name
        if kind == "judges":
            load_judge_card(card.name)
        if kind == "evals":
            assert load_eval_card(card.path).name == card.name


def test_unknown_cards_name_the_nearest_and_where_we_looked(here: Path) -> None:
    with pytest.raises(UserError, match="no eval card 'gsm8kk'") as caught:
        find_card("evals", "gsm8kk")
    assert "did you mean gsm8k?" in str(caught.value.fix)
    assert "looked in evals" in str(caught.value.fix)
    assert caught.value.exit_code == 2


def test_an_eval_card_has_one_origin(here: Path) -> None:
    write(here / "evals" / "two.yaml", "hub: a/b\ntask: hops\nprompt: solve\n")
    with pytest.raises(RecipeError) as caught:
        load_eval_card("two")
    assert [(mistake.where, mistake.what) for mistake in caught.value.mistakes] == [
        ("evals/two.yaml:2", "an eval card has exactly one of hub, file and task, not hub and task"),
        ("evals/two.yaml:3", "prompt does not hold {problem}"),
    ]


def test_the_file_of_an_eval_card_lies_beside_it(here: Path) -> None:
    rows = write(here / "mine" / "rows.jsonl", "{}\n")
    card = write(here / "mine" / "bench.yaml", "file: rows.jsonl\n")
    assert load_eval_card(card).file == str(rows)
    write(card, "file: nope.jsonl\n")
    with pytest.raises(RecipeError, match=r"no such file: nope\.jsonl"):
        load_eval_card(card)


def test_a_file_beside_a_bare_name_is_pointed_at(here: Path) -> None:
    write(here / "my.yaml", "seed: 1\n")
    with pytest.raises(UserError, match="no recipe 'my'") as caught:
        find_card("recipes", "my")
    assert "./my.yaml" in str(caught.value.fix)
    assert find_card("recipes", "./my.yaml") == here / "my.yaml"
    with pytest.raises(UserError) as other:
        find_card("recipes", "other")
    assert "./other" not in str(other.value.fix)


def test_a_description_does_not_break_off_in_a_sentence(here: Path) -> None:
    (here / "evals").mkdir()
    (here / "evals/two.yaml").write_text("# Sums et al. 2021, of two. Its settings\n# are those.\nfile: x\n")
    (here / "evals/title.yaml").write_text("# Sums of two\nfile: x\n")
    found = {card.name: card.description for card in list_cards("evals")}
    assert found["two"] == "Sums et al. 2021, of two." and found["title"] == "Sums of two"
    assert all(text.endswith(".") for name, text in found.items() if name != "title")
