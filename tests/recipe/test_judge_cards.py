"""Judge cards: the shipped ones load, and mistakes in a card are found with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgpo_cli.errors import RecipeError
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.find import list_cards
from sgpo_cli.recipe.judgecards import LanguageModelCard, VoteCard
from sgpo_cli.recipe.rules.judgecard import OWNED
from tests.recipe.files import write


def mistakes(here: Path, text: str, name: str = "mine") -> list[tuple[str, str]]:
    """(place, what) of each mistake of a card, its first line being `kind: language_model` unless it says else."""
    whole = text if text.startswith("kind") else f"kind: language_model\nmodel: m\n{text}"
    write(here / "judges" / f"{name}.yaml", whole)
    try:
        load_judge_card(name)
    except RecipeError as problem:
        return [(str(mistake.where), mistake.what) for mistake in problem.mistakes]
    return []


def test_the_shipped_cards_are_what_they_say(here: Path) -> None:
    cards = {card.name: load_judge_card(card.name) for card in list_cards("judges")}
    models = {name for name, card in cards.items() if isinstance(card, LanguageModelCard)}
    assert models >= {"qwq_32b", "deepseek_v3", "o4_mini"}
    qwq, o4 = cards["qwq_32b"], cards["o4_mini"]
    assert isinstance(qwq, LanguageModelCard) and qwq.key_env is None and "localhost" in qwq.endpoints[0]
    assert isinstance(o4, LanguageModelCard) and o4.temperature is None
    assert o4.limit_field == "max_completion_tokens"
    vote = cards["vote"]
    assert isinstance(vote, VoteCard) and vote.judges == ["arithmetic", "reference"] and vote.rule == "earliest"


@pytest.mark.parametrize("name", ["qwq_32b", "deepseek_v3", "o4_mini"])
def test_shipped_prices_are_nobodys_guess(name: str) -> None:
    card = load_judge_card(name)
    assert isinstance(card, LanguageModelCard) and card.price is None


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("endpoints: []", 3, "endpoints is empty"),
        ("endpoints: [localhost:8000/v1]", 3, "endpoints.0: 'localhost:8000/v1' is no address"),
        ("endpoints:\n- http://a/v1\n- ftp://b/v1", 5, "endpoints.1: 'ftp://b/v1' is no address"),
        ("endpoints: ['http://[1/v1']", 3, "is no address"),
        ("endpoints: [http://a/v1/chat/completions]", 3, "is the address of the calls"),
        ("endpoints: ['http://me:secret@a/v1']", 3, "holds a user, password or query"),
        ("key_env: sk-abc123", 3, "key_env is the name of an environment variable"),
        ("prompt: {user: '{reference} {steps}'}", 3, "prompt.user does not hold {problem}"),
        ("prompt: {user: '{reference} {problem}'}", 3, "prompt.user does not hold {steps}"),
        ("prompt: {user: '{problem} {steps}'}", 3, "prompt.user does not hold {reference}"),
        ("prompt: {reference: 'it is right'}", 3, "prompt.reference does not hold {reference}"),
        ("prompt: {system: 'check {problem}'}", 3, "prompt.system holds {problem}"),
        ("body: {temperature: 1}", 3, "body.temperature is set by the card's own key"),
        ("body: {stream: true}", 3, "body.stream: one whole answer is read"),
        ("timeout_s: 1000", 3, "deadline_s (900) is shorter than timeout_s (1000)"),
        ("timeout_s: 10\ndeadline_s: 5", 4, "deadline_s (5) is shorter than timeout_s (10)"),
        ("price: {input: 1}", 3, "price.output is missing"),
        ("temperature: -1", 3, "temperature must be"),
        ("concurency: 8", 3, "unknown key concurency"),
        ("kind: language_model\nmodel: ' '", 2, "model is empty"),
        ("kind: vote\njudges: []", 2, "a vote of nothing"),
        ("kind: vote\njudges: [arithmetic]", 2, "a vote of one judge"),
        ("kind: vote\njudges: [arithmetic, arithmetic]", 2, "is named twice"),
        ("kind: vote\njudges:\n- arithmetic\n- hops_orakel", 4, "no judge card 'hops_orakel'"),
        ("kind: vote\njudges: [arithmetic, mine]", 2, "a vote asks itself"),
        ("kind: vote\njudges: [arithmetic, hops_oracle]\nquorum: 2", 3, "quorum must be"),
    ],
)
def test_a_mistake_is_told_with_its_line(here: Path, text: str, place: int, what: str) -> None:
    ((where, told),) = mistakes(here, text)
    assert where == f"judges/mine.yaml:{place}" and what in told


def test_a_key_written_into_a_card_is_not_repeated(here: Path) -> None:
    write(here / "judges" / "mine.yaml", "kind: language_model\nmodel: m\nkey_env: sk-abc-4711\n")
    with pytest.raises(RecipeError) as caught:
        load_judge_card("mine")
    assert "4711" not in str(caught.value)


def test_all_mistakes_at_once(here: Path) -> None:
    found = mistakes(here, "endpoints: []\nkey_env: a b\nprompt: {user: hello}\nbody: {n: 2}\nretries: -1\n")
    assert [where.rpartition(":")[2] for where, _ in found] == ["3", "4", "5", "5", "5", "6", "7"]


def test_values_of_the_wrong_type_are_the_walkers_to_report(here: Path) -> None:
    text = "endpoints: http://a/v1\nkey_env: 7\nprompt: hello\nbody: []\ntimeout_s: soon\nreference: 3\n"
    assert len(mistakes(here, text)) == 6
    assert len(mistakes(here, "kind: vote\njudges: arithmetic\n")) == 1
    assert len(mistakes(here, "kind: vote\njudges: [arithmetic, 3]\n")) == 1


def test_what_may_be_written(here: Path) -> None:
    for text in (
        "endpoints: [standin]",
        "reference: never\nprompt: {user: '{problem} {steps}', system: null}",
        "prompt: {user: '{problem} {reference} {steps} \\boxed{n}'}",
        "body: {top_p: 0.9, chat_template_kwargs: {enable_thinking: false}}",
        "timeout_s: 1000\ndeadline_s: 1000",
        "price: {input: 1, output: 2.5}",
    ):
        assert mistakes(here, text) == [], text


def test_every_owned_field_of_a_request_is_refused(here: Path) -> None:
    for key in OWNED:
        assert len(mistakes(here, f"body: {{{key}: 1}}")) == 1


def test_a_votes_circle_is_found_however_long(here: Path) -> None:
    write(here / "judges" / "b.yaml", "kind: vote\njudges: [arithmetic, c]\n")
    write(here / "judges" / "c.yaml", "kind: vote\njudges: [hops_oracle, a]\n")
    ((where, told),) = mistakes(here, "kind: vote\njudges: [arithmetic, b]\n", name="a")
    assert where == "judges/c.yaml:2"
    assert "judges/a.yaml -> judges/b.yaml -> judges/c.yaml -> judges/a.yaml" in told


def test_mistakes_of_members_are_shown_with_theirs(here: Path) -> None:
    write(here / "judges" / "bad.yaml", "kind: arithmetic\nplaces: -1\n")
    ((where, told),) = mistakes(here, "kind: vote\njudges: [hops_oracle, bad]\n")
    assert where == "judges/bad.yaml:2" and "places" in told


def test_members_are_found_beside_the_vote_and_later_from_anywhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "far" / "own.yaml", "kind: arithmetic\nplaces: 0.5\n")
    card = write(here / "far" / "vote.yaml", "kind: vote\njudges: [arithmetic, ./own.yaml]\n")
    bare = write(here / "far" / "bare.yaml", "kind: vote\njudges: [arithmetic, own]\n")
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    for path in (card, bare):
        loaded = load_judge_card(path)
        assert isinstance(loaded, VoteCard) and loaded.judges == ["arithmetic", str(here / "far" / "own.yaml")]
    monkeypatch.chdir(elsewhere)
    assert load_judge_card(loaded.judges[1]).kind == "arithmetic"
