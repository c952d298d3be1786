"""Problems longer than the model reads: counted, named, told by plan and stages, left out where that is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import toy

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.preflight import check_local_data
from sgpo_cli.recipe.schema import Columns, Model, Recipe, Scratch
from sgpo_cli.training.long_problems import left_out_words, look_at_lengths, may_exceed, prompt_lengths
from sgpo_cli.training.problems import load_problems
from sgpo_cli.training.warmup_data import warmup_rows

LENGTHS = [4, 9, 4, 12, 5, 4, 6, 4]  # words of each problem; the tokenizer of hops adds BOS


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """The toy's recipe on a file of problems of those lengths."""
    file = tmp_path / "rows.jsonl"
    rows = ({"problem": " ".join(["e1"] + ["r0"] * (n - 1)), "answer": "e2", "solution": "e2\n# e2"} for n in LENGTHS)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = toy.recipe(steps=2)
    columns = Columns(answer="answer", solution="solution")
    made.data = replace(made.data, source=str(file), columns=columns, heldout=0, prompt="{problem}")
    return made


def _counter(policy: Path, asked: Recipe):  # type: ignore[no-untyped-def]
    from sgpo_cli.generation.load import load_tokenizer

    return prompt_lengths(asked.model, asked.data.prompt, load_tokenizer(policy))


def test_lengths_are_those_of_prompts(policy: Path, recipe: Recipe) -> None:
    count = _counter(policy, recipe)
    rows = load_problems(recipe).rows
    assert count(rows) == [n + 1 for n in LENGTHS]
    assert {len(row.problem.split()) for row in may_exceed(rows, count, 9)} >= {9, 12}


def test_rows_are_left_out_of_training_and_warm_up(policy: Path, recipe: Recipe) -> None:
    recipe.data.max_problem_tokens = 7
    count = _counter(policy, recipe)
    problems = load_problems(recipe, count)
    assert [len(row.problem.split()) for row in problems.left_out] == [9, 12]
    told = left_out_words(problems.left_out, len(problems.rows), 7)
    assert told is not None and "2 rows are left out of 8" in told and "rows.jsonl:2" in told
    from sgpo_cli.recipe.kinds import WarmupSft

    learned = warmup_rows(recipe.data, WarmupSft(steps=3, batch_size=6), count)
    assert len(learned) == 18 and max(len(row.problem.split()) for row in learned) == 6
    recipe.data.max_problem_tokens = 2
    with pytest.raises(UserError, match="leaves out every row"):
        load_problems(recipe, count)


def test_a_run_says_what_it_leaves_out_and_never_asks_it(policy: Path, recipe: Recipe, tmp_path: Path) -> None:
    recipe.data.max_problem_tokens = 7
    recipe.trainer.eval_every = 0
    run = toy.train(recipe, policy, tmp_path / "run")
    events = [json.loads(line) for line in run.stage.events.read_text().splitlines()]
    warned = [event["data"]["what"] for event in events if event["event"] == "warning"]
    assert any("2 rows are left out of 8" in what for what in warned)
    assert max(len(row["problem"].split()) for row in run.rollouts()) == 6


def test_what_does_not_fit_is_an_error_what_is_tight_a_warning(recipe: Recipe) -> None:
    rows = [Row(str(n), "p", place=f"f.jsonl:{n}") for n in range(3)]
    answer = recipe.trainer.max_completion_length
    assert look_at_lengths(recipe, rows, [1, 2, 3], 3 + answer) is None
    tight = look_at_lengths(recipe, rows, [1, 9, 8], 7 + answer)
    assert tight is not None and "2 rows have" in tight and "f.jsonl:1" in tight and "max_problem_tokens=7" in tight
    with pytest.raises(UserError, match="has 50 tokens") as caught:
        look_at_lengths(recipe, rows, [1, 50, 60], 20)
    assert "1 more" in caught.value.what and str(caught.value.where).startswith("f.jsonl:1")


def test_plan_finds_it_without_the_stages(recipe: Recipe) -> None:
    recipe.model = Model(scratch=Scratch(context=32))  # bytes are its tokens
    recipe.trainer.max_completion_length = 6
    with pytest.raises(UserError, match="the model reads at most 32"):
        check_local_data(recipe)
    recipe.data.max_problem_tokens = 20
    told = [mistake.what for mistake in check_local_data(recipe)]
    assert len(told) == 1 and "are left out of 8" in told[0]
