"""Responses made elsewhere: bad rows are told with their line, groups are whole, what is left out has its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.judging.verdict import Verdict
from sgpo_cli.pipeline.labelled_files import check_labelled_files
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.training.elsewhere import into_groups, read_fed
from sgpo_cli.training.problems import load_problems

VERDICT = Verdict.found(0, num_steps=2, judge="j").to_json()


def _file(folder: Path, *rows: Any) -> Path:
    path = folder / "fed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


BAD = {
    "this row has no problem": {"response": "a"},
    "this row has no response; steps do not say": {"problem": "p", "steps": ["a"]},
    "the verdict of this row is 3, not an object": {"problem": "p", "response": "a", "verdict": 3},
    "the verdict of this row is none": {"problem": "p", "response": "a", "verdict": {"first_error": 0}},
    "is of 2 steps, and the response has 3": {
        "problem": "p",
        "response": "1. a\n2. b\n3. c",
        "verdict": VERDICT,
    },
}


@pytest.mark.parametrize("what", list(BAD))
def test_a_bad_row_is_told_with_its_line(what: str, tmp_path: Path) -> None:
    path = _file(tmp_path, {"problem": "p", "response": "a"}, BAD[what])
    with pytest.raises(UserError, match=what) as caught:
        read_fed(path)
    assert caught.value.where == f"{path}:2" and caught.value.fix


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no rows"):
        read_fed(_file(tmp_path))


def test_groups_are_whole_and_the_rest_has_its_reason(tmp_path: Path) -> None:
    rows = [Row(id=name, problem=name) for name in "abcd"]
    told = [("a", "1"), ("x", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "long"), ("c", "1"), ("c", "2")]
    told += [("d", "1"), ("d", "2")]
    fed = read_fed(_file(tmp_path, *({"problem": p, "response": r} for p, r in told)))
    made = into_groups(fed, rows, size=2, most=2, fits=lambda text: text != "long")
    assert [(row.id, [one.response for one in group]) for row, group in made.groups] == [
        ("a", ["1", "2"]),
        ("c", ["1", "2"]),
    ]
    assert made.left_out == {
        "of a problem that is not among the 4 of the data": 1,
        "longer than trainer.max_completion_length": 1,
        "beyond trainer.group_size": 1,
        "in groups that are not whole": 1,
        "beyond offline.problems": 2,
    }
    assert made.unlabelled == 4
    with pytest.raises(
        UserError, match=r"not one problem has 4 responses .*, of 10: 9 in groups that are not whole, 1 of"
    ):
        into_groups(fed, rows, size=4, most=2)


def test_the_plan_says_what_a_file_is_worth(tmp_path: Path) -> None:
    overrides = ["trainer.group_size=4", "trainer.prompts_per_step=4", "trainer.steps=4"]
    recipe = load_recipe("tiny_sgpo_offline", overrides).recipe
    problem = load_problems(recipe).rows[0].problem
    rows = [{"problem": problem, "response": "a", "verdict": VERDICT if at else None} for at in range(5)]
    path = _file(tmp_path, *rows)
    recipe = load_recipe("tiny_sgpo_offline", [*overrides, "judge=null", f"offline.responses={path}"]).recipe
    told = [mistake.what for mistake in check_labelled_files(recipe)]
    assert told == [
        "1 beyond trainer.group_size: left out of 5 responses, 1 groups are whole",
        "1 groups are fewer than a step takes (4): it repeats some",
        "1 of 4 responses have no verdict, and there is no judge",
    ]
    assert check_labelled_files(recipe, at_most=10) == []
