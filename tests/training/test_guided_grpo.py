"""Guided rollouts inside TRL: what is trained on, what is not, and that no guidance is plain GRPO."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import guided_toy
import pytest
import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from sgpo_cli.errors import UserError
from sgpo_cli.generation.load import load_tokenizer
from sgpo_cli.recipe.guidance import GuidanceJudged, GuidanceNone, GuidanceRandom
from sgpo_cli.training.rollouts import Batch
from sgpo_cli.training.trl_compat import Injection


class Losses(TrainerCallback):
    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            kept = ("loss", "grad_norm", "entropy", "completions/mean_length", "num_tokens")
            self.rows.append(tuple(logs.get(key) for key in kept))


def _logs(trainer: Any) -> list[tuple[float, ...]]:
    seen = Losses()
    trainer.add_callback(seen)
    trainer.train()
    return seen.rows


def _prefixes(trainer: Any) -> dict[tuple[int, ...], tuple[int, ...]]:
    """For each problem's prompt ids, the ids of its whole trace."""
    words = trainer.processing_class
    return {
        tuple(words(row["prompt"])["input_ids"]): tuple(words(row["solution"], add_special_tokens=False)["input_ids"])
        for row in trainer.train_dataset
    }


@pytest.mark.parametrize("rank_free", ["length 0", "a fraction of traces without a solution"])
def test_guidance_that_gives_nothing_is_grpo_to_the_last_bit(policy: Path, tmp_path: Path, rank_free: str) -> None:
    plain_recipe = guided_toy.recipe(GuidanceNone(), steps=3, micro_batch=4)
    make = guided_toy.build(plain_recipe, policy, tmp_path / "a", kind=lambda rescue, **kw: GRPOTrainer(**kw))
    plain = _logs(make)
    assert len(plain) == 6 and any(row[0] != 0 for row in plain)
    guidance = guided_toy.fixed(0, max_length=2) if rank_free == "length 0" else guided_toy.fixed(2)
    trainer = guided_toy.build(replace(plain_recipe, guidance=guidance), policy, tmp_path / "b")
    if rank_free != "length 0":
        trainer.train_dataset = trainer.train_dataset.map(lambda _: {"solution": ""})
    assert _logs(trainer) == plain
    assert trainer.rollout_func is None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"micro_batch": 4},
        {"num_iterations": 2},
        {"beta": 0.1},
        {"loss_type": "grpo"},
        {"loss_type": "dapo"},
        {"num_iterations": 2, "beta": 0.04, "loss_type": "grpo"},
    ],
)
def test_no_gradient_reaches_an_injected_token(policy: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    """Masked: exactly 0 on the prefix, everywhere else in rows with an advantage it is not. Mask by position."""
    settings = {**more}
    micro = settings.pop("micro_batch", None)
    asked = guided_toy.recipe(guided_toy.fixed(2), steps=2, micro_batch=micro)
    asked.trainer.trl.update(settings)
    batches: list[Batch] = []
    trainer = guided_toy.build(asked, policy, tmp_path, on_batch=batches.append)
    trainer.train()
    traces = _prefixes(trainer)
    guided = 0
    assert trainer.updates
    for inputs, logps in trainer.updates:
        grad = logps.grad
        assert grad is not None
        for row in range(len(grad)):
            prompt = tuple(inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist())
            length = int(inputs["completion_mask"][row].sum())
            given = int((inputs["tool_mask"][row] == 0).sum())
            guided += given > 0
            assert inputs["tool_mask"][row, :given].eq(0).all() and inputs["tool_mask"][row, given:].eq(1).all()
            if given:
                assert tuple(inputs["completion_ids"][row, :given].tolist()) == traces[prompt][:given]
            assert grad[row, :given].eq(0).all()
            assert grad[row, length:].eq(0).all()
            if inputs["advantages"][row].abs() > 1e-3:  # a clipped token has none
                assert grad[row, given:length].ne(0).any()
    prefixed = sum(rollout.prefix_tokens > 0 for batch in batches for rollout in batch.rollouts)
    assert guided == prefixed * settings.get("num_iterations", 1) > 0


@pytest.mark.parametrize("budget", ["shared", "extra"])
def test_in_loss_an_injected_token_is_like_any_other(policy: Path, tmp_path: Path, budget: Any) -> None:
    """On the first update the ratio is 1: every token of a row, injected ones too, gets the same gradient."""
    asked = guided_toy.recipe(guided_toy.fixed(2, loss=True, budget=budget), steps=1)
    trainer = guided_toy.build(asked, policy, tmp_path)
    trainer.train()
    inputs, logps = trainer.updates[0]
    assert "tool_mask" not in inputs
    traces = _prefixes(trainer)
    moved = 0
    for row in range(len(logps)):
        prompt = tuple(inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist())
        length = int(inputs["completion_mask"][row].sum())
        begins = tuple(inputs["completion_ids"][row, :2].tolist()) == traces[prompt][:2]
        expected = -inputs["advantages"][row] / (len(logps) * asked.trainer.max_completion_length)
        assert torch.allclose(logps.grad[row, :length], expected.expand(length), rtol=1e-4, atol=1e-9)
        moved += bool(begins and inputs["advantages"][row].abs() > 1e-3)
    assert moved


def test_old_log_probabilities_of_injected_tokens_are_the_sampling_policys(policy: Path, tmp_path: Path) -> None:
    asked = guided_toy.recipe(guided_toy.fixed(2, loss=True), steps=1)
    trainer = guided_toy.build(asked, policy, tmp_path)
    trainer.train()
    inputs, logps = trainer.updates[0]  # before any update the policy is the one that sampled
    mask = inputs["completion_mask"].bool()
    assert torch.allclose(inputs["old_per_token_logps"][mask], logps.detach()[mask], atol=1e-5)


def test_pad_equal_to_eos_changes_nothing(policy: Path, tmp_path: Path) -> None:
    asked = guided_toy.recipe(GuidanceRandom(length=2, low=0, loss_on_prefix=False, fraction=0.5), steps=2)
    batches: dict[str, list[Batch]] = {"own": [], "eos": []}
    logs = {}
    for name, kept in batches.items():
        words = load_tokenizer(policy)
        if name == "eos":
            words.pad_token = words.eos_token
        trainer = guided_toy.build(asked, policy, tmp_path / name, processing_class=words, on_batch=kept.append)
        assert (trainer.processing_class.pad_token_id == trainer.processing_class.eos_token_id) == (name == "eos")
        logs[name] = _logs(trainer)
    assert logs["own"] == logs["eos"]
    told = [
        [[r.to_json(step=b.step, group=0, sample=0) for r in b.rollouts] for b in kept] for kept in batches.values()
    ]
    assert told[0] == told[1]
    assert {r.prefix_tokens for b in batches["own"] for r in b.rollouts} == {0, 1, 2}, "the prefixes are ragged"


@pytest.mark.parametrize(("budget", "longest"), [("shared", 4), ("extra", 6)])
def test_budget(policy: Path, tmp_path: Path, budget: Any, longest: int) -> None:
    """4 tokens: shared, a guided rollout has 2 of its own; extra, it has 4 of its own."""
    asked = guided_toy.recipe(guided_toy.fixed(2, budget=budget), steps=1, max_completion_length=4)
    batches: list[Batch] = []
    trainer = guided_toy.build(asked, policy, tmp_path, on_batch=batches.append)
    trainer.train()
    (batch,) = batches
    for rollout in batch.rollouts:
        assert rollout.tokens <= 4 + (rollout.prefix_tokens if budget == "extra" else 0)
        assert not rollout.truncated or rollout.tokens >= 4
        short = rollout.shortened == "answer"  # it visits the answer on the way
        assert rollout.prefix_tokens == (2 if rollout.guided and not short else rollout.guided)
    assert max(r.tokens for r in batch.rollouts if r.guided) == longest


def test_a_prefix_that_fills_the_budget_leaves_a_token(policy: Path, tmp_path: Path) -> None:
    asked = guided_toy.recipe(guided_toy.fixed(2), steps=1, max_completion_length=2)
    batches: list[Batch] = []
    guided_toy.build(asked, policy, tmp_path, on_batch=batches.append).train()
    guided = [r for r in batches[0].rollouts if r.guided]
    assert {(r.prefix_tokens, r.tokens) for r in guided} == {(1, 2)}
    assert "budget" in {r.shortened for r in guided}


def test_evaluation_is_never_guided(policy: Path, tmp_path: Path) -> None:
    asked = guided_toy.recipe(guided_toy.fixed(2), steps=1)
    batches: list[Batch] = []
    seen: list[list[str]] = []

    class Listening(guided_toy.Watched):
        def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, ids: Any) -> Any:
            if not self.model.training:
                seen.append(list(completions))
            return super()._calculate_rewards(inputs, prompts, completions, ids)

    trainer = guided_toy.build(asked, policy, tmp_path, kind=Listening, on_batch=batches.append)
    trainer.guide.starts = lambda *_: pytest.fail("a guided batch in evaluation")
    before = trainer.guide.state
    trainer._compute_loss = lambda *_: torch.zeros(())
    trainer.evaluate(trainer.train_dataset.select(range(4)))
    assert seen and not batches
    assert trainer.guide.state == before and trainer.rollout_func is None


def test_log_probabilities_of_a_sampler_are_nan_on_the_prefix(policy: Path, tmp_path: Path) -> None:
    """An engine that gives log-probabilities (vLLM): the injected ones are NaN, which TRL leaves out."""
    trainer = guided_toy.build(guided_toy.recipe(guided_toy.fixed(2)), policy, tmp_path)
    asked: list[Any] = []

    def sampled(ids: Any, images: Any, fields: Any, copies: int, has_tool_images: bool = False) -> Any:
        asked.append((ids, copies))
        return [[7, 8, 2] for _ in ids], [[-0.5, -0.25, -1.0] for _ in ids]

    trainer._generate_single_turn = sampled
    made = trainer._roll_out(["e1 r0 r1 r2", "e2 r0 r1 r2"], Injection([(5, 6), ()], in_loss=True, room=4))
    plain = trainer.processing_class(["e1 r0 r1 r2", "e2 r0 r1 r2"])["input_ids"]
    assert asked == [([[*plain[0], 5, 6], plain[1]], 1)]
    assert made["prompt_ids"] == plain
    assert made["completion_ids"] == [[5, 6, 7, 8], [7, 8, 2]]
    assert [[None if math.isnan(x) else x for x in row] for row in made["logprobs"]] == [
        [None, None, -0.5, -0.25],
        [-0.5, -0.25, -1.0],
    ]
    assert "env_mask" not in made
    masked = trainer._roll_out(["e1 r0 r1 r2", "e2 r0 r1 r2"], Injection([(5, 6), ()], in_loss=False, room=None))
    assert masked["env_mask"] == [[0, 0, 1, 1, 1], [1, 1, 1]]


def test_judged_guidance_without_a_judge(policy: Path, tmp_path: Path) -> None:
    asked = guided_toy.recipe(GuidanceJudged(length=1, loss_on_prefix=False, fraction=0.5))
    with pytest.raises(UserError, match="needs a judge"):
        guided_toy.build(asked, policy, tmp_path)
