"""What judging can cost, by hand; keys that are missing; which changes are another judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgpo_cli.display import words
from sgpo_cli.display.judging import judging_notes, measured_lines, total_usage, usage_text
from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.fingerprint import judge_content
from sgpo_cli.pipeline.judge_cost import check_keys, judge_cost, judge_warnings
from sgpo_cli.pipeline.plan import compile_recipe
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe

CARD = """kind: language_model
model: m
key_env: A_KEY_OF_MINE
endpoints: [http://127.0.0.1:9/v1]
prompt: {system: null, user: "12345678 {problem} {reference} {steps}", reference: "{reference}"}
max_tokens: 100
price: {input: 2.0, output: 8.0, currency: EUR}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("A_KEY_OF_MINE", raising=False)
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "mine.yaml").write_text(CARD)
    return load_recipe("tiny_sgpo", ["judge.card=mine", "judge.floor=null", "data.columns.solution=null"]).recipe


def test_by_hand(recipe: Recipe) -> None:
    told = judge_cost(recipe, "train", problem_tokens=12)
    verdicts = 100 * 32 * 8
    words = int((len("12345678 {problem} {reference} {steps}") + len("{reference}")) / 4)
    into = verdicts * (words + 12 + recipe.trainer.max_completion_length)
    assert told["judge_calls"] == verdicts
    assert told["judge_tokens"] == {"input": into, "output": verdicts * 100}
    assert told["judge_cost"] == {
        "amount": round((into * 2 + verdicts * 100 * 8) / 1e6, 2),
        "currency": "EUR",
    }
    assert judge_cost(recipe, "eval", problem_tokens=12) == {"judge_calls": 0}
    line = judging_notes([told])[0].plain
    assert "25 600 questions" in line.replace(",", " ") or "25600" in line
    assert line.endswith("EUR")


def test_a_bill_without_a_price_is_said(recipe: Recipe) -> None:
    assert "judge_unpriced" not in judge_cost(recipe, "train", problem_tokens=12)
    assert not any("price" in line.plain for line in judging_notes([judge_cost(recipe, "train", problem_tokens=12)]))
    for card, model in (("o4_mini", "o4-mini"), ("deepseek_v3", "deepseek-ai/DeepSeek-V3-0324")):
        billed = load_recipe("tiny_sgpo", [f"judge.card={card}", "judge.floor=null"]).recipe
        told = judge_cost(billed, "train", problem_tokens=12)
        assert told["judge_unpriced"] == [model] and told["judge_cost"] is None
        line = judging_notes([told, told])[-1].plain
        assert line == f"{model} may be billed: with price: in its card this would be a cost"
    own = load_recipe("tiny_sgpo", ["judge.card=qwq_32b", "judge.floor=null"]).recipe
    assert "judge_unpriced" not in judge_cost(own, "train", problem_tokens=12), "a server of one's own sends no bill"


def test_a_missing_key_is_said_and_stops_training(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "A_KEY_OF_MINE is not set" in judge_warnings(recipe, online=False)[0].what
    with pytest.raises(UserError, match="A_KEY_OF_MINE is not set"):
        check_keys(recipe)
    monkeypatch.setenv("A_KEY_OF_MINE", "x")
    check_keys(recipe)
    assert judge_warnings(recipe, online=False) == []


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("key_env: A_KEY_OF_MINE", "key_env: ANOTHER\nconcurrency: 3\ntimeout_s: 9\nretries: 1", True),
        ("127.0.0.1:9", "127.0.0.1:10", True),
        ("input: 2.0", "input: 3.0", True),
        ("kind: language_model", "# a remark\nkind: language_model", True),
        ("model: m", "model: n", False),
        ("12345678", "87654321", False),
        ("[http://127.0.0.1:9/v1]", "[standin]", False),
    ],
)
def test_a_card_is_what_its_verdicts_depend_on(recipe: Recipe, old: str, new: str, same: bool) -> None:
    """An interrupted run may go on with fewer calls at a time, another key or another price."""
    from sgpo_cli.cli.judge_input import Opener

    def marks() -> tuple[str, str]:
        return judge_content("mine"), Opener("mine", recipe.data.hops, (), None).fingerprint()

    before = marks()
    Path("judges/mine.yaml").write_text(CARD.replace(old, new))
    assert [one == other for one, other in zip(before, marks(), strict=True)] == [same, same]


def test_other_weights_in_the_same_folder_are_another_judge(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "prm"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"old")
    Path("judges/mine.yaml").write_text(f"kind: process_reward\nmodel: {folder}\n")
    before = judge_content("mine")
    assert judge_content("mine") == before
    (folder / "model.safetensors").write_bytes(b"other")
    assert judge_content("mine") != before


def test_where_verdicts_come_from_is_no_other_judge(recipe: Recipe) -> None:
    def marks(*overrides: str) -> list[str]:
        base = ["judge.card=mine", "judge.floor=null"]
        return [stage.fingerprint for stage in compile_recipe(load_recipe("tiny_sgpo", [*base, *overrides])).stages]

    plain = marks()
    assert marks("judge.endpoints=['http://elsewhere/v1']", "judge.store=null") == plain
    second = marks("judge.compare_with=hops_oracle")
    assert second[1] != plain[1] and second[2] == plain[2], "measured anew, trained the same"


def test_a_vote_is_its_members(recipe: Recipe) -> None:
    vote = Path("judges/both.yaml")
    vote.write_text("kind: vote\njudges: [mine, arithmetic]\n")
    before = judge_content("both")
    Path("judges/mine.yaml").write_text(CARD.replace("max_tokens: 100", "max_tokens: 101"))
    assert judge_content("both") != before
    mixed = load_recipe("tiny_sgpo", ["judge.card=both", "judge.floor=null"]).recipe
    assert judge_cost(mixed, "judge", problem_tokens=1)["judge_calls"] == mixed.judge.measure  # type: ignore[union-attr]


def test_lines_of_words() -> None:
    counts = (0, 999, 1000, 12_345, 3_400_000, 2e9)
    assert [words.compact(n) for n in counts] == ["0", "999", "1K", "12.3K", "3.4M", "2B"]
    usage = {
        "calls": 12,
        "cached": 3,
        "failed": 0,
        "repaired": 1,
        "input_tokens": 4000,
        "cached_tokens": 3000,
        "output_tokens": 50,
        "cost": 0.25,
    }
    assert usage_text(usage) == "12 calls, 3 cached, 1 repaired, 4K tokens in (3K cached), 50 out, cost 0.25"
    assert usage_text(None) is None and usage_text({"calls": 0}) is None
    rows = [{"judge": {**usage, "fallback": True}}, {"judge": {**usage, "cost": None, "fallback": False}}]
    total = total_usage(rows)
    assert total is not None and (total["calls"], total["cost"], total["fallback"]) == (24, 0.25, 1)
    assert (total["input_tokens"], total["cached_tokens"]) == (8000, 6000)
    lines = measured_lines(
        {
            "measures": {"f1": 0.5, "f1_ci95": [0.25, 0.75], "acc_error": None, "acc_correct": 1.0, "n_error": 3},
            "agreement": {"other": "b", "n": 8, "same": 0.5, "same_ci95": [0.2, 0.8], "correlation": 0.5},
            "abstained": 0.25,
            "per_second": 4.0,
        }
    )
    assert lines[0].startswith("judge measured on 3 labelled rows: F1 0.500") and "acc_error" not in lines[0]
    assert "25" in lines[1] and "4" in lines[1]
    assert "b on 0.500" in lines[2] and "correlate 0.50" in lines[2]
