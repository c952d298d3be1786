"""Benches from cards: the checks, stand-in files, and the cards that ship."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sgpo_cli.data.hops import problems
from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.evaluation.bench import load_bench, make_bench
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.evalcard import EvalColumns
from sgpo_cli.recipe.schema import HopsTask
from sgpo_cli.verify.pool import Grader
from tests.evaluation.benches import card, sums

ROW = Row(id="a", problem="p", answer="1")


def test_the_prompt_keeps_its_braces():
    bench = sums()
    assert bench.ask(bench.rows[0]) == "What is 0 + 1? Use \\boxed{}."
    assert len(bench.first(2).rows) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no problems"),
        ([ROW, ROW], "comes twice"),
        ([Row(id="a", problem="p")], "needs an answer"),
        ([Row(id="a", problem="p", answer=" ")], "needs an answer"),
    ],
)
def test_bad_rows(rows, message):
    with pytest.raises(UserError, match=message):
        make_bench(card(), rows, source="x.jsonl")


def test_another_number_of_rows_than_the_card_states():
    with pytest.raises(UserError, match="should have 30 problems, found 1"):
        make_bench(card(rows=30), [ROW], source="x.jsonl")


def write(tmp_path, row):
    file = tmp_path / "local.jsonl"
    file.write_text(json.dumps(row) + "\n")
    return file


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"question": "q", "answer": "#### 3"}, "0"),  # the hub's columns
        ({"problem": "q", "answer": "3", "id": "x1"}, "x1"),  # our own
    ],
)
def test_a_stand_in_file_may_have_either_columns(tmp_path, row, name):
    hub = card(file=None, hub="some/set", columns=EvalColumns(problem="question"))
    bench = load_bench(hub, file=write(tmp_path, row))
    assert [(one.id, one.problem) for one in bench.rows] == [(name, "q")]


def test_a_stand_in_with_neither_is_refused(tmp_path):
    hub = card(file=None, hub="some/set", columns=EvalColumns(problem="question"))
    with pytest.raises(UserError, match="no column"):
        load_bench(hub, file=write(tmp_path, {"text": "q"}))


def test_a_number_in_words_is_no_contradiction():
    def kept(answer, *aliases):
        rows = [Row(id="a", problem="p", answer=answer, extra={"aliases": list(aliases)}), ROW]
        return make_bench(card(), [rows[0], replace(ROW, id="b", answer="seven")], source="x").rows[0].aliases

    assert kept("3", "three", "3.0", "twenty-one") == ("three", "3.0", "twenty-one")
    assert kept("3", "4", "seven", "x + 1", "3x", "\\pi", "m") == (), "other numbers, another's answer, formulas"
    assert kept("x + 1", "1 + x", "5") == ("1 + x",)
    with Grader() as grader:
        bench = make_bench(card(), [replace(ROW, answer="3", extra={"aliases": ["three"]})], source="x")
        (grade,) = grader.grade_many([bench.item(bench.rows[0], "\\boxed{three}")])
    assert grade.outcome == 1


def test_a_bench_on_the_hub_says_which_option_names_a_file(monkeypatch):
    import datasets

    def refuse(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(UserError, match="no network") as caught:
        load_bench(load_eval_card("aime24"))
    assert "--file FILE" in caught.value.fix and "data.source" not in caught.value.fix


def test_aliases_come_through(tmp_path):
    file = write(tmp_path, {"problem": "q", "answer": "4e33", "other": ["4 \\times 10^{33}"]})
    bench = load_bench(card(file=str(file), columns=EvalColumns(aliases="other")))
    assert bench.item(bench.rows[0], "x").aliases == ("4 \\times 10^{33}",)


def test_right_solutions_of_the_built_in_task_are_right():
    hops = load_eval_card("hops")
    rows = problems(HopsTask(), 20, 0, "heldout")
    bench = make_bench(replace(hops, rows=20), rows, source="task hops")
    with Grader() as grader:
        grades = grader.grade_many([bench.item(one, row.solution) for one, row in zip(bench.rows, rows, strict=True)])
        wrong = grader.grade_many([bench.item(one, "e1 # e1 e1") for one in bench.rows])
    assert {grade.outcome for grade in grades} == {1} and {grade.outcome for grade in wrong} == {0}


def test_a_card_without_data_of_its_own():
    with pytest.raises(UserError, match="no data of its own"):
        load_bench(card(file=None, task="hops"))


@pytest.mark.parametrize(
    ("name", "file"),
    [("aime24", "eval_aime_2024.jsonl"), ("gsm8k", "eval_gsm8k_test.jsonl"), ("math500", "eval_math500.jsonl")],
)
def test_shipped_cards_take_the_local_copy(shared_data, name, file):
    shipped = load_eval_card(name)
    assert len(load_bench(shipped, file=shared_data / file).rows) == shipped.rows


@pytest.mark.parametrize("name", ["aime24", "gsm8k", "math500", "hops"])
def test_shipped_cards_load(name):
    shipped = load_eval_card(name)
    assert shipped.name == name and "{problem}" in shipped.prompt
    assert (shipped.hub is None) != (shipped.task is None)
