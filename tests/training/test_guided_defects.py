"""The defects of G2RPO-A's released code, each by name; the numbers are those of the list this was built from.

Defect 2, a signal that is named and does not exist, cannot be written here: the signal is the outcome, and a recipe
without exactly one outcome is refused. Defect 10, commands that name missing files, is held off by the tests that run
every documented command.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import guided_toy
import pytest
import toy

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.methods.guidance.allocate import guided_mask
from sgpo_cli.recipe.guidance import GuidanceAdaptive
from sgpo_cli.recipe.kinds import RewardFormat, RewardPython
from sgpo_cli.runs.files import read_json
from sgpo_cli.training.rollouts import Batch


@pytest.fixture(scope="module")
def batches(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Batch]:
    found: list[Batch] = []
    asked = guided_toy.recipe(guided_toy.fixed(2, fraction=0.25), steps=3)
    guided_toy.build(asked, policy, tmp_path_factory.mktemp("guided"), on_batch=found.append).train()
    return found


def test_1_the_trainer_that_runs_is_the_guided_one(policy: Path, tmp_path: Path) -> None:
    """Theirs imports stock GRPOTrainer. Ours: a guided recipe, run by the job, has guided rollouts."""
    asked = guided_toy.recipe(guided_toy.fixed(1), steps=1)
    run = toy.train(asked, policy, tmp_path)
    assert {row["prefix_tokens"] for row in run.rollouts()} == {0, 1}


def test_2_the_controller_hears_the_outcome(policy: Path, tmp_path: Path) -> None:
    """Theirs reads a reward by a name that the shipped settings do not have. Ours moves with the outcomes."""
    guidance = GuidanceAdaptive(length=1, max_length=2, loss_on_prefix=False, fraction=0.5, preset="paper")
    run = toy.train(guided_toy.recipe(guidance, steps=6), policy, tmp_path)
    assert len({row["guidance"]["length"] for row in run.metrics()}) > 1
    with pytest.raises(UserError, match="exactly one outcome"):
        toy.train(replace(guided_toy.recipe(guidance), reward=[RewardFormat(pattern=".*")]), policy, tmp_path / "none")


def broken_reward(**_: Any) -> float:
    raise ZeroDivisionError("no tests")


def test_3_a_reward_that_raises_is_an_error_with_the_samples_id(policy: Path, tmp_path: Path) -> None:
    """Theirs swallows it: every reward is 0."""
    asked = guided_toy.recipe(guided_toy.fixed(1))
    asked.reward = [RewardPython(path="test_guided_defects:broken_reward", outcome=True)]
    with pytest.raises(RunFailed, match="ZeroDivisionError on sample 'hops-"):
        toy.train(asked, policy, tmp_path)


def test_4_every_group_has_as_many_guided_rollouts(batches: list[Batch]) -> None:
    """Theirs, with its own G=10: 2,2,2,2,2,0,2."""
    assert [sum(guided_mask(0.25, 10)) for _ in range(7)] == [3] * 7
    for batch in batches:
        assert [[rollout.guided for rollout in rows] for rows in batch.groups()] == [[True, False, False, False]] * 4


def test_5_a_short_trace_is_not_padded(policy: Path, tmp_path: Path) -> None:
    """Theirs pads inside the completion, and with pad = EOS the continuation is cut. Ours: ragged, and it goes on."""
    asked = guided_toy.recipe(guided_toy.fixed(40, budget="extra"), steps=1)
    found: list[Batch] = []
    trainer = guided_toy.build(asked, policy, tmp_path, on_batch=found.append)
    words = trainer.processing_class
    words.pad_token = words.eos_token
    trainer.train()
    guided = [rollout for rollout in found[0].rollouts if rollout.guided]
    assert {rollout.shortened for rollout in guided} == {"short_trace"}
    assert all(rollout.tokens > rollout.prefix_tokens for rollout in guided)
    inputs, _ = trainer.updates[0]
    for row in range(len(inputs["completion_ids"])):
        given = int((inputs["tool_mask"][row] == 0).sum())
        assert inputs["completion_mask"][row, : given + 1].eq(1).all()
        assert inputs["completion_ids"][row, :given].ne(words.eos_token_id).all()


def test_6_generation_and_loss_see_the_same_ids(policy: Path, tmp_path: Path) -> None:
    """Theirs decodes and encodes again on the way to the sampler."""
    asked = guided_toy.recipe(guided_toy.fixed(2), steps=1)
    trainer = guided_toy.build(asked, policy, tmp_path)
    sampled_behind: list[list[int]] = []
    generate = trainer._generate_single_turn

    def noted(ids: Any, *rest: Any) -> Any:
        sampled_behind.extend(ids)
        return generate(ids, *rest)

    trainer._generate_single_turn = noted
    trainer.train()
    trained = set()
    for inputs, _ in trainer.updates:
        for row in range(len(inputs["prompt_ids"])):
            prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist()
            given = int((inputs["tool_mask"][row] == 0).sum())
            trained.add(tuple(prompt + inputs["completion_ids"][row, :given].tolist()))
    assert trained == {tuple(ids) for ids in sampled_behind}


def test_7_held_out_problems_are_never_guided(policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs guides evaluation, and its rewards feed the controller. (TRL's own evaluation: test_guided_grpo.)"""
    from sgpo_cli.generation.transformers_engine import TransformersEngine
    from sgpo_cli.training.guiding import Guide

    asked_of: list[Any] = []
    learned: list[int] = []
    generate, learn = TransformersEngine.generate, Guide.learn

    def noted(self: Any, prompts: Any, **settings: Any) -> Any:
        asked_of.append(prompts)
        return generate(self, prompts, **settings)

    monkeypatch.setattr(TransformersEngine, "generate", noted)
    monkeypatch.setattr(Guide, "learn", lambda self, batch: learned.append(len(batch.rollouts)) or learn(self, batch))
    asked = guided_toy.recipe(guided_toy.fixed(2), steps=2, eval_every=1)
    toy.train(asked, policy, tmp_path)
    assert len(asked_of) == 3
    assert all(len(prompt.split()) == 1 + toy.TASK.hops for prompts in asked_of for prompt in prompts)
    assert learned == [16, 16]


def test_8_the_length_is_in_every_checkpoint(policy: Path, tmp_path: Path) -> None:
    """Theirs starts over. (That a resumed run equals the straight one: test_guided_job.)"""
    guidance = GuidanceAdaptive(length=1, max_length=2, loss_on_prefix=False, fraction=0.5, preset="paper")
    run = toy.train(guided_toy.recipe(guidance, steps=4), policy, tmp_path)
    for folder in run.stage.checkpoints.iterdir():
        assert set(read_json(folder / "complete.json")["guidance"]) == {"length", "before", "smooth"}


def test_9_no_prefix_gives_the_answer_away(policy: Path, tmp_path: Path) -> None:
    """Theirs rewards text that holds the trace's end. Ours is cut before the answer, whatever is asked for."""
    asked = guided_toy.recipe(guided_toy.fixed(40), steps=3)
    for row in toy.train(asked, policy, tmp_path).rollouts():
        given = row["response"][: row["prefix_end"]]
        assert "#" not in given
        assert row["prefix_tokens"] <= toy.TASK.hops - 1
