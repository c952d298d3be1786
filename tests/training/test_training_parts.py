"""The smaller parts: token shares, judge desk, order of problems, rows per update, checkpoints."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.training import checkpoints, judge_desk
from sgpo_cli.training.checkpoints import Position
from sgpo_cli.training.judging_rows import Reader, step_tokens
from sgpo_cli.training.problems import _order
from sgpo_cli.training.rollouts import Rollout
from sgpo_cli.training.settings import grpo_config, share_of_rows


def letters(ids: Any) -> str:
    """A tokenizer whose token n is n letters."""
    return "".join("x" * n for n in ids)


def test_tokens_of_steps_by_hand() -> None:
    """Tokens of 3, 2, 4, 1 letters; steps end at 3, 6 and 10: the third token lies across the second border."""
    assert step_tokens([3, 6, 10], [3, 2, 4, 1], letters) == [1, 2, 1]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_tokens_of_steps_add_up(ids: list[int], data: st.DataObject) -> None:
    total = sum(ids)
    ends = sorted(data.draw(st.sets(st.integers(1, total), max_size=6)) | {total})
    counts = step_tokens(ends, ids, letters)
    assert sum(counts) == len(ids)
    assert min(counts) >= 0


class Fixed:
    name = "fixed"

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[Solution] = []

    def judge(self, solutions: Any) -> list[Verdict]:
        self.asked += solutions
        return [self.verdict for _ in solutions]


def read_one(verdict: Verdict, unit: Any, response: str = "aa\nbbbb\ncc", ids: Any = (2, 1, 4, 1, 2)) -> Any:
    rollout = Rollout("id", "p", "ref", "ans", response, len(ids), False)
    judge = Fixed(verdict)
    readings, _ = Reader(judge, [rollout]).readings([rollout], [ids], unit, letters)
    return readings[0], judge.asked[0]


def test_a_reading_in_both_units() -> None:
    verdict = Verdict.found(1, num_steps=3, judge="fixed")
    reading, asked = read_one(verdict, "steps")
    assert asked == Solution("p", ("aa", "bbbb", "cc"), reference="ref", answer="ans")
    assert reading.step_ends == [3, 8, 10]
    assert reading.prefix == pytest.approx(1 / 3)
    assert read_one(verdict, "tokens")[0].prefix == pytest.approx(2 / 5)


def test_steps_that_are_missing_lower_the_score_in_any_unit() -> None:
    verdict = Verdict.found(1, num_steps=6, checked=3, judge="fixed")
    assert read_one(verdict, "steps")[0].prefix == pytest.approx(1 / 6)
    assert read_one(verdict, "tokens")[0].prefix == pytest.approx(2 / 5 / 2)


def test_nothing_checked_is_an_abstention_but_no_steps_are_a_zero() -> None:
    unread = read_one(Verdict.found(-1, num_steps=3, checked=0, judge="fixed"), "steps")[0]
    empty = read_one(Verdict.found(-1, num_steps=0, judge="fixed"), "steps", response=" ", ids=(1,))[0]
    assert (unread.abstained, unread.prefix) == (True, None)
    assert (empty.abstained, empty.prefix) == (False, 0.0)


class Touchy:
    """Raises when it sees a solution that says so, alone or in company."""

    name = "touchy"

    def judge(self, solutions: Any) -> list[Verdict]:
        if any("bad" in s.steps for s in solutions):
            raise ValueError("cannot read this")
        return [Verdict.found(-1, num_steps=len(s.steps), judge="touchy") for s in solutions]


def test_one_bad_solution_costs_only_its_own_verdict() -> None:
    solutions = [Solution("p", (text,)) for text in ("a", "bad", "a", "b")]
    verdicts, figures = judge_desk.read(Touchy(), solutions)
    assert [v.abstained for v in verdicts] == [False, True, False, False]
    assert "cannot read this" in str(verdicts[1].reason)
    assert (figures.calls, figures.cached, figures.failed) == (3 + 3, 1, 1)


def rows(n: int) -> list[Row]:
    return [Row(id=str(i), problem=f"p{i}", difficulty=float(-i)) for i in range(n)]


@pytest.mark.parametrize("order", ["shuffled", "curriculum"])
@pytest.mark.parametrize("n", [3, 5, 10, 64])
def test_order(order: Any, n: int) -> None:
    recipe = toy.recipe(steps=6)
    recipe.data.source, recipe.data.order = "file.jsonl", order
    found = _order(rows(n), 24, recipe)
    assert len(found) == 24
    assert found == _order(rows(n), 24, recipe)
    counts = Counter(found)
    assert max(counts.values()) - min(counts.get(i, 0) for i in range(n)) <= 1
    if n >= 4:
        for step in range(6):
            assert len(set(found[4 * step : 4 * step + 4])) == 4
    if order == "curriculum" and n == 64:
        assert found == list(range(63, 39, -1))


def test_shuffled_depends_on_the_seed() -> None:
    recipe = toy.recipe(steps=6)
    recipe.data.source = "file.jsonl"
    one = _order(rows(24), 24, recipe)
    recipe.seed = 1
    assert one != _order(rows(24), 24, recipe)


def test_curriculum_without_a_difficulty() -> None:
    recipe = toy.recipe()
    recipe.data.order = "curriculum"
    with pytest.raises(UserError, match="no difficulty"):
        _order([Row(id="x", problem="p")], 4, recipe)


def test_shares_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy.recipe(prompts_per_step=32, group_size=8)
    assert share_of_rows(recipe) == (128, 1)
    recipe.trainer.micro_batch = 32
    assert share_of_rows(recipe) == (32, 4)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert share_of_rows(recipe) == (32, 2)
    recipe.trainer.micro_batch = 48
    with pytest.raises(UserError, match="do not split into 2 updates on 2 processes in micro-batches of 48"):
        share_of_rows(recipe)


def test_the_recipe_becomes_trls_settings(tmp_path: Path) -> None:
    import torch

    recipe = toy.recipe(steps=5, micro_batch=2, learning_rate=0.5)
    recipe.trainer.trl = {"loss_type": "dr_grpo", "num_iterations": 3, "lr_scheduler_type": "cosine"}
    config = grpo_config(recipe, tmp_path, [1.0], torch.float32)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (2, 4)
    assert (config.steps_per_generation, config.max_steps) == (8, 5 * 2 * 3)
    assert (config.loss_type, config.learning_rate) == ("dr_grpo", 0.5)
    assert str(config.lr_scheduler_type.value) == "cosine"
    assert not config.bf16
    assert not config.use_vllm
    recipe.generation.engine = "vllm"
    recipe.trainer.trl["vllm_gpu_memory_utilization"] = 0.5
    config = grpo_config(recipe, tmp_path, [1.0], torch.float32)
    assert (config.use_vllm, config.vllm_mode, config.vllm_gpu_memory_utilization) == (True, "colocate", 0.5)
    assert config.vllm_max_model_length is None  # the model's own
    with pytest.raises(UserError, match="TRL refuses"):
        recipe.trainer.trl = {"no_such_option": 1}
        grpo_config(recipe, tmp_path, [1.0], torch.float32)


def position(step: int) -> Position:
    return Position(step, 0.5, step, None, None)


def test_checkpoints_complete_or_not_used(tmp_path: Path) -> None:
    for step in (2, 4, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        checkpoints.mark_complete(tmp_path / f"checkpoint-{step}", position(step))
    (tmp_path / "checkpoint-12").mkdir()
    found = checkpoints.newest(tmp_path)
    assert found is not None
    assert (found[0].name, found[1]) == ("checkpoint-10", position(10))
    checkpoints.remove_incomplete(tmp_path)
    checkpoints.prune(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-4"]
    assert checkpoints.newest(tmp_path / "nothing") is None
