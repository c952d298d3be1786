"""The loss of guided rollouts against a slow reckoning, token by token: ratio, clip and KL, prefixes included.

Prefixes on top of the budget (`extra`) are scored apart from the shorter rows: the figures must be the same there.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import guided_toy
import pytest
import torch

from sgpo_cli.generation.load import load_policy
from sgpo_cli.recipe.guidance import GuidanceStepwise
from sgpo_cli.training.two_widths import share_spared

BETA, EPSILON = 0.1, 0.001  # a clip so narrow that the second pass meets it
LOSSES = {"num_iterations": 2, "beta": BETA, "epsilon": EPSILON}
FULL = {"generation_kwargs": {"min_new_tokens": 6}}
"""No rollout ends early: the guided ones of budget `extra` are longer by what was injected."""


def _alone(model: Any, prompt: list[int], response: list[int]) -> list[float]:
    """Log-probabilities of a response's tokens, its row by itself, no padding."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0]
    known = logits.log_softmax(-1)
    return [known[len(prompt) + i - 1, token].item() for i, token in enumerate(response)]


def _by_hand(advantage: float, new: float, old: float, ref: float) -> tuple[float, float, float]:
    """(loss, its derivative by `new`, KL) of one token: clipped surrogate plus beta times the k3 estimate of the KL,
    weighed by the ratio (TRL's `use_bias_correction_kl`).
    """
    ratio, log_ref = math.exp(new - old), ref - new
    clipped = min(max(ratio, 1 - EPSILON), 1 + EPSILON)
    taken = ratio * advantage <= clipped * advantage
    kl, pull = math.exp(log_ref) - log_ref - 1, 1 - math.exp(log_ref)
    loss = -min(ratio * advantage, clipped * advantage) + BETA * ratio * kl
    return loss, -ratio * advantage * taken + BETA * ratio * (kl + pull), ratio * kl


@pytest.mark.parametrize("budget", ["shared", "extra"])
@pytest.mark.parametrize("micro", [None, 4])
def test_prefix_in_the_loss_by_hand(policy: Path, tmp_path: Path, budget: Any, micro: int | None) -> None:
    """Old and reference log-probabilities of every token are those of a row alone, and so is every gradient."""
    asked = guided_toy.recipe(guided_toy.fixed(2, loss=True, budget=budget), steps=2, micro_batch=micro)
    asked.trainer.trl.update({**LOSSES, **FULL})
    trainer = guided_toy.build(asked, policy, tmp_path)
    sampler = load_policy(policy)  # what step 1 samples from, and the reference
    trainer.train()
    parts = 2 if micro else 1
    assert len(trainer.updates) == 2 * 4 * parts, "2 steps of 2 updates, twice"
    first_step = len(trainer.updates) // 2
    prefixed = clipped = moved = 0
    for number, (inputs, logps) in enumerate(trainer.updates):
        assert "tool_mask" not in inputs
        rows, total = len(logps), logps.shape[0] * asked.trainer.max_completion_length * parts
        for row in range(rows):
            prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist()
            length = int(inputs["completion_mask"][row].sum())
            response = inputs["completion_ids"][row, :length].tolist()
            told = _alone(sampler, prompt, response)
            old, ref = inputs["old_per_token_logps"][row], inputs["ref_per_token_logps"][row]
            assert ref[:length].tolist() == pytest.approx(told, abs=1e-5)
            if number < first_step:
                assert old[:length].tolist() == pytest.approx(told, abs=1e-5)
            advantage = inputs["advantages"][row].item()
            for place in range(length):
                new = logps[row, place].item()
                _, slope, _ = _by_hand(advantage, new, old[place].item(), ref[place].item())
                assert math.isfinite(new)
                assert logps.grad[row, place].item() == pytest.approx(slope / total, rel=2e-3, abs=2e-7)
                moved += abs(new - old[place].item()) > 1e-4
                clipped += abs(math.exp(new - old[place].item()) - 1) > EPSILON
            assert logps.grad[row, length:].eq(0).all()
            prefixed += _given(trainer, prompt, response) and logps.grad[row, :2].ne(0).any().item()
    assert prefixed and moved and clipped, "the test shows nothing"


def _given(trainer: Any, prompt: list[int], response: list[int]) -> bool:
    """Whether a response begins with the two steps that guidance gives (a sampled one may too)."""
    words = trainer.processing_class
    for row in trainer.train_dataset:
        if words(row["prompt"])["input_ids"] == prompt:
            return response[:2] == words(row["solution"], add_special_tokens=False)["input_ids"][:2]
    raise AssertionError("a prompt of no problem")


@pytest.mark.parametrize("in_loss", [False, True])
def test_the_kl_and_the_loss_that_are_told_are_those_of_the_tokens_trained_on(
    policy: Path, tmp_path: Path, in_loss: bool
) -> None:
    """The loss of each update by hand; under a mask it is that of sampled tokens alone, and the KL's mean too."""
    asked = guided_toy.recipe(guided_toy.fixed(2, loss=in_loss, budget="extra"), steps=2)
    asked.trainer.trl.update({**LOSSES, **FULL})
    losses: list[float] = []
    kls: list[float] = []

    class Told(guided_toy.Watched):
        def _compute_loss(self, model: Any, inputs: Any) -> Any:
            loss = super()._compute_loss(model, inputs)
            losses.append(loss.item())
            kls.append(self._metrics["train"]["kl"][-1])
            return loss

    trainer = guided_toy.build(asked, policy, tmp_path, kind=Told)
    trainer.train()
    masked = 0
    for (inputs, logps), loss, kl in zip(trainer.updates, losses, kls, strict=True):
        mask = inputs["completion_mask"] * inputs.get("tool_mask", 1)
        masked += int((inputs["completion_mask"] - mask).sum())
        terms, pulls = [], []
        for row, place in mask.nonzero().tolist():
            new, old, ref = (
                values[row, place].item()
                for values in (logps, inputs["old_per_token_logps"], inputs["ref_per_token_logps"])
            )
            term, _, pull = _by_hand(inputs["advantages"][row].item(), new, old, ref)
            terms.append(term)
            pulls.append(pull)
        assert loss == pytest.approx(math.fsum(terms) / (len(logps) * 6), rel=1e-3, abs=1e-6)
        assert kl == pytest.approx(math.fsum(pulls) / len(pulls), rel=1e-3, abs=1e-6)
    assert (masked == 0) == in_loss
    assert any(kls)


@pytest.mark.parametrize("more", [{}, {"micro_batch": 4}, {"beta": 0.05, "num_iterations": 2}])
def test_rows_scored_apart_train_like_rows_scored_together(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    settings = {**more}
    asked = guided_toy.recipe(
        guided_toy.fixed(2, budget="extra"), steps=2, micro_batch=settings.pop("micro_batch", None)
    )
    asked.trainer.trl.update({**settings, **FULL})

    def run(name: str) -> tuple[list[Any], list[int], dict[str, torch.Tensor]]:
        trainer = guided_toy.build(asked, policy, tmp_path / name)
        widths: list[int] = []
        trainer.model.register_forward_pre_hook(
            lambda _m, _a, kw: widths.append(kw["input_ids"].size(1)) if "labels" in kw else None, with_kwargs=True
        )
        trainer.train()
        return trainer.updates, widths, trainer.model.state_dict()

    apart, narrow, ended = run("apart")
    monkeypatch.setattr(guided_toy.Watched, "_two_widths", property(lambda _: False, lambda *_: None), raising=False)
    together, wide, ended_together = run("together")
    assert len(narrow) == 2 * len(wide) and sum(narrow) < 2 * sum(wide) and set(narrow) - set(wide)
    for (inputs, logps), (others, other) in zip(apart, together, strict=True):
        assert torch.equal(inputs["completion_ids"], others["completion_ids"])
        mask = inputs["completion_mask"].bool()
        assert torch.allclose(logps[mask], other[mask], atol=1e-5)
        assert logps.shape == other.shape and logps.grad.shape == other.grad.shape
        assert torch.allclose(logps.grad, other.grad, atol=1e-7)
    for name, value in ended.items():
        assert torch.allclose(value, ended_together[name], atol=1e-5), name


def test_rows_go_apart_only_in_batches_that_were_made_longer(policy: Path, tmp_path: Path) -> None:
    """Not in an evaluation, which has no prefixes and leaves training as it was; not once guidance gives nothing."""
    guidance = GuidanceStepwise(length=2, factor=0.0, every=1, loss_on_prefix=False, fraction=0.25, budget="extra")
    asked = guided_toy.recipe(guidance, steps=2)
    asked.trainer.trl.update(FULL)
    trainer = guided_toy.build(asked, policy, tmp_path)
    sizes: list[int] = []
    trainer.model.register_forward_pre_hook(
        lambda _m, _a, kw: sizes.append(len(kw["input_ids"])) if "labels" in kw else None, with_kwargs=True
    )
    trainer.train()
    rows = len(trainer.updates[0][1])
    long = sum(int((inputs["tool_mask"][:, 0] == 0).sum()) for inputs, _ in trainer.updates[:2])
    assert sum(sizes[:8]) == 2 * 2 * rows and sorted(sizes[:8]) != [rows] * 8 and long == 4
    assert sizes[8:] == [rows] * 4, "the second step gave nothing"

    sizes.clear()
    trainer._two_widths = True  # as between two updates of a guided step
    trainer._compute_loss = lambda *_: torch.zeros(())
    trainer.evaluate(trainer.train_dataset.select(range(4)))
    assert trainer._two_widths and len(set(sizes)) == 1


def test_longer_prefixes_in_responses_that_end_early_are_no_longer_rows() -> None:
    """What counts is how long the rows became, not what was asked for."""
    assert share_spared([9, 9, 9, 9]) == 0.0
    assert share_spared([30, 24, 24, 24]) == pytest.approx(18 / 120)
    assert share_spared([5]) == 0.0
