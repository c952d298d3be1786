"""`sgpo init`: what it writes loads and plans without a warning that it could have avoided; nothing is overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sgpo_cli.cli.main import app
from sgpo_cli.errors import SgpoError, UserError
from sgpo_cli.pipeline.plan import as_json, compile_recipe
from sgpo_cli.pipeline.preflight import check_local_data
from sgpo_cli.recipe.kinds import RewardCode, RewardMath
from sgpo_cli.recipe.load import LoadedRecipe, load_recipe

METHODS = {"grpo": ("none", "none"), "sgpo": ("stepwise", "none"), "g2rpoa": ("none", "adaptive")} | {
    "both": ("stepwise", "adaptive")
}


def data(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sums(count: int = 40, **names: str) -> list[dict[str, Any]]:
    told = {"problem": "problem", "answer": "answer", "solution": "solution", **names}
    return [
        {
            told["problem"]: f"What is {n} + 1?",
            told["answer"]: f"{n + 1}",
            told["solution"]: f"Add 1 to {n}.\nThat is {n + 1}.",
        }
        for n in range(2, count + 2)
    ]


def init(*arguments: str) -> Result:
    """As a person without a terminal: nothing is asked."""
    done = CliRunner().invoke(app, ["init", *arguments])
    if isinstance(done.exception, SgpoError):
        raise done.exception
    return done


def written(name: str) -> LoadedRecipe:
    loaded = load_recipe(name)
    assert loaded.warnings == [] and as_json(compile_recipe(loaded))["warnings"] == []
    assert check_local_data(loaded.recipe) == []
    return loaded


@pytest.mark.parametrize("where", ["hops", "data.jsonl"])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_loads_and_plans(here: Path, method: str, where: str) -> None:
    data(here / "data.jsonl", sums())
    done = init("mine", "--method", method, "--data", where)
    assert done.exit_code == 0 and "sgpo plan mine" in done.output
    recipe = written("mine").recipe
    assert (recipe.rescue.kind, recipe.guidance.kind) == METHODS[method]
    assert (recipe.judge is None) == (METHODS[method][0] == "none")
    text = (here / "recipes" / "mine.yaml").read_text()
    assert text.startswith("# ") and "sgpo train mine --smoke" in text
    if where != "hops":
        assert recipe.data.source == str(here / "data.jsonl") and recipe.data.heldout == 4
        assert recipe.trainer.prompts_per_step == 32 and recipe.data.columns.solution == "solution"


def test_columns_are_found_by_name_and_content(here: Path) -> None:
    rows = [{"question": f"{n}?", "level": "hard", "idx": n, "answer": f"Think.\n#### {n}"} for n in range(12)]
    data(here / "gsm.jsonl", rows)
    init("gsm", "--data", "gsm.jsonl", "--method", "g2rpoa")
    columns = written("gsm").recipe.data.columns
    assert (columns.problem, columns.answer, columns.solution) == ("question", "answer", "answer")
    assert (columns.difficulty, columns.id) == (None, "idx"), "a level in words orders nothing"
    assert load_recipe("gsm").recipe.trainer.prompts_per_step == 8


def test_tests_in_the_rows_make_a_code_reward(here: Path) -> None:
    data(here / "code.jsonl", [{"text": f"Add {n}.", "test_list": [f"assert f(1) == {1 + n}"]} for n in range(9)])
    init("code", "--data", "code.jsonl", "--method", "grpo")
    recipe = written("code").recipe
    assert [type(reward) for reward in recipe.reward] == [RewardCode] and recipe.data.columns.answer is None
    assert [use.card for use in recipe.benchmarks] == ["humaneval"]


def test_flags_are_written_down(here: Path) -> None:
    data(here / "odd.jsonl", sums(problem="q: a ${x}", solution="why"))
    options = ["--columns", "problem=q: a ${x},solution=why", "--judge", "qwq_32b", "--lora", "--device", "h100-80gb"]
    init("--data", "odd.jsonl", "--model", "org/model", "--out", "mine.yaml", *options)
    recipe = written("./mine.yaml").recipe
    assert recipe.name == "mine" and recipe.model.path == "org/model" and recipe.model.lora is not None
    assert recipe.data.columns.problem == "q: a ${x}" and recipe.data.columns.solution == "why"
    assert recipe.judge is not None and recipe.judge.card == "qwq_32b" and recipe.launch.device == "h100-80gb"
    assert [type(reward) for reward in recipe.reward] == [RewardMath]


@pytest.mark.parametrize("empty", [None, "", "  ", ["3"]])
@pytest.mark.parametrize("what", ["problem", "answer", "solution"])
def test_a_row_that_lacks_a_value_is_named_and_its_column_taken(here: Path, what: str, empty: Any) -> None:
    rows = sums(8)
    rows[2][what] = empty
    data(here / "data.jsonl", rows)
    done = init("mine", "--data", "data.jsonl", "--method", "g2rpoa")
    assert done.exit_code == 0, done.output
    assert f"data.jsonl:3: a value of column {what} is empty or not text" in done.output
    columns = load_recipe("mine").recipe.data.columns
    assert (columns.problem, columns.answer, columns.solution) == ("problem", "answer", "solution")


def test_where_no_column_fits_the_values_in_the_way_are_named(here: Path) -> None:
    rows = [{"problem": f"{n}?", "answer": f"{n}"} for n in range(6)]
    for number in (1, 3, 4):
        rows[number].pop("answer")
    data(here / "data.jsonl", rows)
    with pytest.raises(UserError) as caught:
        init("mine", "--data", "data.jsonl")
    assert "3 of the first 6 values are empty" in caught.value.what and "data.jsonl:2, 4, 5" in caught.value.what


@pytest.mark.parametrize("arguments", [("tiny_sgpo",), ("mine", "--out", "recipes/tiny_sgpo.yaml")])
def test_a_name_that_came_with_sgpo_is_refused(here: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="a recipe that came with sgpo") as caught:
        init(*arguments, "--yes")
    assert "sgpo init my_tiny_sgpo" in str(caught.value.fix) and not (here / "recipes").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("../x9",), "'../x9' is no name of a recipe"),
        (("mine", "--device", "h100"), "--device h100: launch.device: no accelerator h100 is known"),
        (("a b",), "NAME a b: "),
        (("mine", "--data", "data.jsonl", "--model", "./nope"), "--model ./nope: model.path: no such file"),
    ],
)
def test_no_message_points_at_a_file_that_is_gone(here: Path, arguments: tuple[str, ...], told: str) -> None:
    data(here / "data.jsonl", sums(4))
    with pytest.raises(UserError) as caught:
        init(*arguments, "--yes")
    assert told in str(caught.value) and ".sgpo-init" not in str(caught.value)


MISTAKES = {
    ("--method", "sgp"): "did you mean sgpo",
    ("--judge", "arithmetik"): "did you mean arithmetic",
    ("--judge", "vote", "--method", "grpo"): "take --method sgpo",
    ("--data", "nope.jsonl"): "name a JSONL file",
    ("--data", "empty.jsonl"): "a JSON object a line",
    ("--data", "no_problem.jsonl"): "--columns problem=COLUMN",
    ("--data", "no_answer.jsonl"): "--columns answer=COLUMN",
    ("--data", "no_solution.jsonl", "--method", "g2rpoa"): "--columns solution=COLUMN",
    ("--data", "no_solution.jsonl", "--columns", "answer=anser"): "did you mean answer",
    ("--columns", "problm=x"): "--columns problem=question",
    ("--model", "org/model"): "--data FILE.jsonl",
}


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_says_what_to_type_and_writes_nothing(here: Path, arguments: tuple[str, ...]) -> None:
    data(here / "empty.jsonl", [])
    data(here / "no_problem.jsonl", [{"a": "1", "b": 2}])
    data(here / "no_answer.jsonl", [{"question": "1?", "b": 2}])
    data(here / "no_solution.jsonl", [{"question": "1?", "answer": 2}])
    with pytest.raises(UserError) as caught:
        init("mine", *arguments)
    assert MISTAKES[arguments] in str(caught.value.fix)
    assert not (here / "recipes").exists() or not list((here / "recipes").iterdir())


def test_nothing_is_overwritten(here: Path) -> None:
    init("mine")
    before = (here / "recipes" / "mine.yaml").read_text()
    with pytest.raises(UserError, match="never overwrites"):
        init("mine", "--method", "grpo")
    assert (here / "recipes" / "mine.yaml").read_text() == before


def test_at_a_terminal_it_asks_and_without_one_it_does_not(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sgpo_cli.cli import init as command

    monkeypatch.setattr(command, "_at_a_terminal", lambda: True)
    data(here / "data.jsonl", sums())
    told = CliRunner().invoke(app, ["init"], input="both\ndata.jsonl\n\nmy_run\n")
    assert told.exit_code == 0, told.output
    recipe = written("my_run").recipe
    assert METHODS["both"] == (recipe.rescue.kind, recipe.guidance.kind) and recipe.data.source.endswith("data.jsonl")
    document = json.loads(CliRunner().invoke(app, ["init", "other", "--json"]).stdout)
    assert document["recipe"] == "recipes/other.yaml" and document["next"][0] == "sgpo plan other"
