"""`data.order: curriculum`: easiest first, the same on every call, held-out problems as ever, resumed at the sample."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.data import hops
from sgpo_cli.errors import Interrupted, UserError
from sgpo_cli.recipe.kinds import RescueNone
from sgpo_cli.recipe.schema import Columns, Data, Recipe, Trainer
from sgpo_cli.runs import stops
from sgpo_cli.training.problems import Problems, load_problems


def source(folder: Path, hard: list[Any]) -> Path:
    """One row for each entry of `hard`, in that order; ids are row0, row1, ..."""
    path = folder / "problems.jsonl"
    rows = [{"id": f"row{i}", "problem": f"problem {i}", "answer": str(i), "hard": h} for i, h in enumerate(hard)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(path: Path, *, steps: int, prompts: int = 2, heldout: int = 0, seed: int = 0, **data: Any) -> Recipe:
    columns = Columns(id="id", difficulty="hard")
    settings: dict[str, Any] = {"source": str(path), "order": "curriculum", "columns": columns, "heldout": heldout}
    trainer = Trainer(steps=steps, prompts_per_step=prompts, group_size=2)
    return Recipe(name="course", seed=seed, data=Data(**{**settings, **data}), trainer=trainer)


def ids(problems: Problems) -> list[str]:
    """The training problems' ids in the order they come."""
    return [problems.rows[i].id for i in problems.order]


def difficulties(problems: Problems) -> list[float]:
    found = [problems.rows[i].difficulty for i in problems.order]
    assert all(value is not None for value in found)
    return [value for value in found if value is not None]


def test_the_easiest_come_first_by_number_not_by_text(tmp_path: Path) -> None:
    # As text "10" < "9" and "-1" < "0.5"; one difficulty is a string, as some data sets have them.
    problems = load_problems(asked(source(tmp_path, [9, "10", 0.5, -1, 2, 100]), steps=3))
    assert ids(problems) == ["row3", "row2", "row4", "row0", "row1", "row5"]


def test_equal_calls_give_equal_orders_and_seeds_shuffle_ties_only(tmp_path: Path) -> None:
    hard = [random.Random(1).randrange(3) for _ in range(40)]
    path = source(tmp_path, hard)
    one, again = (load_problems(asked(path, steps=20)) for _ in range(2))
    other = load_problems(asked(path, steps=20, seed=1))
    assert ids(one) == ids(again) != ids(other)
    assert difficulties(one) == difficulties(other) == sorted(hard)
    assert ids(one) != sorted(ids(one), key=lambda name: (hard[int(name[3:])], int(name[3:]))), "ties are shuffled"


def test_every_pass_begins_with_the_easiest(tmp_path: Path) -> None:
    problems = load_problems(asked(source(tmp_path, [3, 1, 2, 0]), steps=4))
    assert difficulties(problems) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_longer_run_begins_as_the_shorter_one(tmp_path: Path) -> None:
    path = source(tmp_path, [random.Random(2).random() for _ in range(7)])
    short, long = (load_problems(asked(path, steps=steps)) for steps in (5, 9))
    assert ids(long)[:10] == ids(short)


@given(hard=st.lists(st.integers(0, 4), min_size=1, max_size=12), steps=st.integers(1, 9), prompts=st.integers(1, 5))
def test_every_problem_as_often_and_none_twice_in_a_step(
    tmp_path_factory: pytest.TempPathFactory, hard: list[int], steps: int, prompts: int
) -> None:
    problems = load_problems(asked(source(tmp_path_factory.mktemp("p"), hard), steps=steps, prompts=prompts))
    order, count = problems.order, len(hard)
    assert len(order) == steps * prompts
    whole = len(order) // count
    for i in range(count):
        assert whole <= order.count(i) <= whole + 1
    if count >= prompts:
        assert all(len(set(order[at : at + prompts])) == prompts for at in range(0, len(order), prompts))
    if len(order) <= count:
        assert difficulties(problems) == sorted(hard)[: len(order)]


def test_held_out_problems_are_those_of_any_order(tmp_path: Path) -> None:
    path = source(tmp_path, list(range(20)))
    course = load_problems(asked(path, steps=8, heldout=5))
    shuffled = load_problems(asked(path, steps=8, heldout=5, order="shuffled"))
    assert course.heldout == shuffled.heldout and len(course.heldout) == 5
    aside = {row.id for row in course.heldout}
    assert not aside & {row.id for row in course.rows} and not aside & set(ids(course))
    # Not the hardest: what is measured is drawn from everywhere, and stands in the source's order.
    assert [row.id for row in course.heldout] != [f"row{i}" for i in range(15, 20)]


def test_hops_knows_how_hard_its_problems_are() -> None:
    recipe = toy.recipe(steps=6)
    recipe.data.order = "curriculum"
    problems = load_problems(recipe)
    assert difficulties(problems) == sorted(difficulties(problems)) and len(set(difficulties(problems))) > 1
    assert sorted(problems.order) == list(range(24)), "each fresh problem once"
    recipe.data.order = "shuffled"
    assert load_problems(recipe).heldout == problems.heldout


def test_a_row_without_a_difficulty_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row 'row1' has no difficulty, and data\.order is curriculum"):
        load_problems(asked(source(tmp_path, [1, None, 2]), steps=1))
    assert load_problems(asked(source(tmp_path, [1, None, 2]), steps=1, order="shuffled")).order


def test_a_difficulty_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="column 'hard' must hold numbers, this row has 'Level 5'") as wrong:
        load_problems(asked(source(tmp_path, [1, "Level 5"]), steps=1))
    assert "row1" in str(wrong.value.where)


def course(tmp_path: Path) -> Recipe:
    """Two and a half passes over 8 problems of task hops from a file, in 5 steps of 4."""
    rows = hops.problems(toy.TASK, 10, 0, "train")
    path = tmp_path / "hops.jsonl"
    told = [{"id": r.id, "problem": r.problem, "answer": r.answer, "hard": r.difficulty} for r in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in told))
    recipe = toy.recipe(rescue=RescueNone(), steps=5, save_every=2)
    recipe.data = Data(source=str(path), order="curriculum", heldout=2, columns=Columns(id="id", difficulty="hard"))
    return recipe


def test_training_goes_by_it_and_goes_on_at_the_exact_sample(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = course(tmp_path)
    straight = toy.train(recipe, policy, tmp_path / "straight")
    seen = [row["id"] for row in straight.rollouts() if row["sample"] == 0]
    problems = load_problems(recipe)
    assert seen == ids(problems)
    assert not {row.id for row in problems.heldout} & set(seen)
    told = {row.id: row.difficulty or 0.0 for row in problems.rows}
    assert [told[name] for name in seen[:8]] == sorted(told.values()) == [told[name] for name in seen[8:16]]

    asks = iter([False, False, True])
    monkeypatch.setattr(stops, "stop_asked", lambda: next(asks))
    with pytest.raises(Interrupted, match="after step 3 of 5"):
        toy.train(recipe, policy, tmp_path / "resumed")
    monkeypatch.undo()
    resumed = toy.train(recipe, policy, tmp_path / "resumed")
    assert resumed.rollouts() == straight.rollouts() and resumed.weights() == straight.weights()
    assert [toy.timeless(row) for row in resumed.metrics()] == [toy.timeless(row) for row in straight.metrics()]
