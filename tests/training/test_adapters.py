"""Adapters: only they learn, the sampler sees them, what is saved is a plain model, a killed run ends the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import toy

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.recipe.schema import Lora, Recipe
from sgpo_cli.training import adapters

pytest.importorskip("peft")
TEXT = list(range(5, 12))


def adapted(steps: int = 4, lora: Lora | None = None, **trainer: Any) -> Recipe:
    recipe = toy.recipe(steps=steps, learning_rate=1e-2, **trainer)
    recipe.model.lora = lora or Lora(rank=4, alpha=8)
    return recipe


@pytest.fixture(scope="module")
def straight(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> toy.Result:
    return toy.train(adapted(), policy, tmp_path_factory.mktemp("lora"))


def plain(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder)).eval()


def test_the_merged_policy_is_the_base_and_the_adapters_product(policy: Path, straight: toy.Result) -> None:
    """The saved adapters on the untouched base give the saved policy: nothing else was trained."""
    from peft import PeftModel
    from safetensors.torch import load_file

    saved = load_file(straight.stage.adapter / "adapter_model.safetensors")
    ups = [value for name, value in saved.items() if "lora_B" in name]
    assert ups and all(bool(value.abs().sum()) for value in ups), "adapters that never moved"
    again = PeftModel.from_pretrained(plain(policy), str(straight.stage.adapter)).merge_and_unload()
    final = plain(straight.stage.final)
    assert {name for name, _ in final.named_parameters()} == {name for name, _ in plain(policy).named_parameters()}
    for (name, one), (_, two) in zip(final.named_parameters(), again.named_parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5, msg=name)
    head, before = final.get_output_embeddings().weight, plain(policy).get_output_embeddings().weight
    assert torch.equal(head, before)
    assert not torch.equal(adapters.next_logprobs(final, TEXT), adapters.next_logprobs(plain(policy), TEXT))


def test_broken_off_and_resumed_ends_the_same(policy: Path, tmp_path: Path, straight: toy.Result) -> None:
    class Breaking:
        """An oracle until its third batch."""

        def __init__(self) -> None:
            from sgpo_cli.judging.hops_oracle import HopsOracle

            self.left, self.real = 3, HopsOracle(toy.TASK)

        def judge(self, solutions: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise RunFailed("power cut")
            return self.real.judge(solutions)

    with pytest.raises(RunFailed, match="power cut"):
        toy.train(adapted(), policy, tmp_path, judge=Breaking())
    again = toy.train(adapted(), policy, tmp_path)
    assert again.rollouts() == straight.rollouts()
    assert again.weights() == straight.weights()
    assert [toy.timeless(row) for row in again.metrics()] == [toy.timeless(row) for row in straight.metrics()]


def test_a_sampler_that_goes_on_with_the_base_stops_the_run(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import PeftModelForCausalLM

    honest = PeftModelForCausalLM.generate

    def base_only(self: Any, *args: Any, **told: Any) -> Any:
        with self.disable_adapter():
            return honest(self, *args, **told)

    monkeypatch.setattr(PeftModelForCausalLM, "generate", base_only)
    with pytest.raises(RunFailed, match="what samples the rollouts did not change"):
        toy.train(adapted(), policy, tmp_path)


def test_updates_that_change_nothing_are_not_held_against_the_sampler(policy: Path, tmp_path: Path) -> None:
    """A learning rate of 0 for the first update (a warm-up's), and steps whose gradient is 0."""
    recipe = adapted(steps=1, trl={**toy.SETTINGS, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 9})
    assert toy.train(recipe, policy, tmp_path).metrics()


def test_a_reference_model_is_the_base(policy: Path, tmp_path: Path) -> None:
    """With KL the first update's is 0: adapters begin as nothing."""
    recipe = adapted(steps=1, trl={**toy.SETTINGS, "beta": 0.04}, updates_per_step=1)
    [row] = toy.train(recipe, policy, tmp_path).metrics()
    assert row["kl"] == pytest.approx(0.0, abs=1e-6)


def test_targets_that_are_not_there_are_named_with_those_that_are(policy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no linear layer named q_proy") as caught:
        toy.train(adapted(lora=Lora(targets=["q_proy", "v_proj"])), policy, tmp_path)
    assert "q_proj" in str(caught.value.fix) and "lm_head" not in str(caught.value.fix)


def test_quantized_weights_need_an_accelerator(policy: Path, tmp_path: Path) -> None:
    if torch.accelerator.is_available():
        pytest.skip("there is one here")
    with pytest.raises(UserError, match="needs an accelerator"):
        toy.train(adapted(lora=Lora(quantize="4bit")), policy, tmp_path)
