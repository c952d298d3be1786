"""Estimates against hand-worked numbers, and against the measured peaks that are kept (docs/planning.md)."""

from __future__ import annotations

import importlib.util
import io
import json
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from sgpo_cli.display.console import THEME
from sgpo_cli.display.plan import plan_table
from sgpo_cli.errors import RecipeError
from sgpo_cli.pipeline.architecture import KNOWN, Shape
from sgpo_cli.pipeline.cost import memory
from sgpo_cli.pipeline.cost.estimate import estimate
from sgpo_cli.pipeline.cost.fit import _told, smallest_changes, too_large
from sgpo_cli.pipeline.cost.prompts import prompts_of
from sgpo_cli.pipeline.cost.shapes import adapter_parameters, weights_of
from sgpo_cli.pipeline.plan import as_json, compile_recipe
from sgpo_cli.pipeline.preview import preview
from sgpo_cli.recipe.load import LoadedRecipe, load_recipe
from sgpo_cli.recipe.schema import Lora, Model, Recipe
from tests.tiny import REPOSITORY

GIB = 2**30
SEVEN = KNOWN["Qwen2.5-7B"]
TRAINED = ["judge", "train", "eval"]
BASE = """
model: {path: Qwen/Qwen2.5-7B-Instruct, dtype: bfloat16}
data: {source: somebody/problems, columns: {problem: problem, answer: answer}, heldout: 128}
reward: [{kind: math}]
judge: {card: arithmetic, measure: 256}
rescue: {kind: stepwise}
trainer: {steps: 200, prompts_per_step: 32, group_size: 8, updates_per_step: 2, micro_batch: 4,
          max_completion_length: 3072, eval_every: 20, save_every: 50}
benchmarks: [{card: aime24, k: 16}]
launch: {engine: torchrun, processes: 8}
"""
H100 = "launch.device=h100-80gb"


@pytest.fixture(autouse=True)
def _there(here: Path) -> None:
    (here / "seven.yaml").write_text(BASE)


def loaded(*overrides: str) -> LoadedRecipe:
    return load_recipe("./seven.yaml", list(overrides))


def recipe(*overrides: str) -> Recipe:
    return loaded(*overrides).recipe


def parts(*overrides: str) -> dict[str, float]:
    told: dict[str, float] = estimate(recipe(H100, *overrides), "train")["memory"]["parts"]
    return told


def test_weights_gradients_and_moments_by_hand() -> None:
    """7.616 B parameters in bfloat16: 14.19 GiB, as much for gradients, twice for AdamW's two moments."""
    told = parts()
    assert SEVEN.parameters() == 7_615_616_512
    assert told["weights"] == pytest.approx(7_615_616_512 * 2 / GIB, abs=1e-3)
    assert told["gradients"] == told["weights"]
    assert told["optimizer"] == pytest.approx(2 * told["weights"], abs=1e-3)


def test_sharding_divides_and_keeps_float32_copies() -> None:
    """ZeRO-2 on 8: whole weights, an eighth of the gradients, an eighth of 12 bytes a parameter."""
    two = parts("launch.engine=accelerate", "launch.strategy=zero2")
    assert two["weights"] == pytest.approx(14.185, abs=0.01)
    assert two["gradients"] == pytest.approx(14.185 / 8, abs=0.01)
    assert two["optimizer"] == pytest.approx(7_615_616_512 * 12 / 8 / GIB, abs=0.01)
    whole = ("launch.engine=accelerate", "launch.strategy=fsdp2", "data.heldout=0")
    three = parts(*whole)
    assert three["weights"] == pytest.approx(14.185 / 8, abs=0.01)
    twice = parts(*whole, "launch.nodes=2")
    assert twice["optimizer"] == pytest.approx(three["optimizer"] / 2, abs=0.01)


def test_a_reference_model_is_held_where_kl_is_asked_for() -> None:
    assert "reference model" not in parts()
    assert parts("trainer.trl.beta=0.04")["reference model"] == pytest.approx(14.185, abs=0.01)
    # With adapters the reference is the same weights, adapters switched off.
    assert "reference model" not in parts("trainer.trl.beta=0.04", "model.lora={rank: 16}")


def test_adapters_by_hand() -> None:
    """Rank 16 on all linear layers of one decoder layer of Qwen2.5-7B: 16 x (inputs + outputs), 28 layers."""
    h, kv, mlp = 3584, 512, 18944
    one = 16 * ((h + h) + 2 * (h + kv) + (h + h) + 2 * (h + mlp) + (mlp + h))
    assert adapter_parameters(Lora(), SEVEN) == 28 * one == 40_370_176
    assert adapter_parameters(Lora(targets=["q_proj"]), SEVEN) == 28 * 16 * 2 * h
    full, small = (weights_of(Model(lora=lora), SEVEN, accelerator=True) for lora in (None, Lora(quantize="4bit")))
    assert full.trained == full.total and small.trained == 40_370_176
    assert small.bytes < 0.45 * full.bytes


def test_activations_by_hand() -> None:
    """Counted by saved-tensor hooks: 12,554 numbers a token and layer in llama of width 512, 8 heads, MLP 1,792."""
    llama = Shape("llama", 20, 512, 8, 8, 1792, 261, False, 64)
    assert memory.layer_activations(llama, 256, 4) / 4 == pytest.approx(12_554, rel=0.01)
    qwen3 = Shape("qwen3", 20, 512, 8, 4, 1792, 261, False, 64)
    assert memory.layer_activations(qwen3, 256, 4) / 4 == pytest.approx(14_102, rel=0.01)


def test_problems_are_measured_where_they_are(tmp_path: Path) -> None:
    rows = [{"problem": "x" * n, "answer": "1"} for n in (10, 20, 90)]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    own = load_recipe("tiny_grpo", [
        f"data.source={data}", "data.heldout=0", "warmup={kind: none}", "benchmarks=[]", "judge=null",
        "rescue={kind: none}", "reward=[{kind: math}]",
    ]).recipe  # fmt: skip
    assert (prompts_of(own).mean, prompts_of(own).longest) == (40, 90)  # the stand-in has a token a byte


def test_processes_that_share_nothing_hold_a_second_copy_of_the_gradients() -> None:
    """What DDP sends (torch: `gradient_as_bucket_view`, which nobody sets)."""
    assert parts()["gradient buckets"] == pytest.approx(14.185, abs=0.01)
    assert "gradient buckets" not in parts("launch.engine=local", "launch.processes=1")
    assert "gradient buckets" not in parts("launch.engine=accelerate", "launch.strategy=zero2")


def test_the_head_by_hand() -> None:
    """TRL works in tiles of 4,096 x 32,768: with Triton one in bfloat16, and the head's gradient in float32, then again
    in bfloat16; on a CPU 8.25 tiles in float32."""
    weight = SEVEN.vocab * SEVEN.hidden
    assert weight == 152_064 * 3_584
    states = 12_288 * SEVEN.hidden * (2 + 4 + 2)
    assert memory.head(SEVEN, 12_288, 2, trained=True, accelerator=True) == 4096 * 32768 * 2 + states + weight * 6
    cpu = Shape("llama", 8, 512, 8, 8, 1536, 32_000, False, 64)
    told = memory.head(cpu, 1024, 4, trained=False, accelerator=False)
    assert told == 1024 * 32_000 * 4 * 8.25 + 1024 * 512 * 8


def test_small_optimizers_take_less() -> None:
    assert parts("trainer.trl.optim=adamw_8bit")["optimizer"] == pytest.approx(2 * 7_615_616_512 / GIB, abs=0.01)
    assert "optimizer" not in parts("trainer.trl.optim=sgd")


def test_what_does_not_fit_is_told_with_the_least_that_would() -> None:
    assert too_large(recipe("launch.device=h200-141gb"), TRAINED) == []
    [told] = too_large(recipe(H100), TRAINED)
    assert "stage train" in told.what and "will not fit" in told.what
    assert told.fix == "it would fit with: trainer.micro_batch=2"
    [told] = too_large(recipe("launch.device=a100-40gb"), TRAINED)
    assert told.fix == "it would fit with: launch.engine=accelerate launch.strategy=zero2"
    [told] = too_large(recipe("launch.device=rtx4090-24gb"), TRAINED)
    first, second = str(told.fix).splitlines()
    assert first == ("it would fit with: launch.engine=accelerate launch.strategy=fsdp2 data.heldout=0 launch.nodes=4")
    assert second == "or, training adapters, with: model.lora.rank=16"


@pytest.mark.parametrize("device", ["h100-80gb", "a100-40gb", "rtx4090-24gb", "l4-24gb"])
def test_proposed_changes_can_be_typed_and_fit(device: str) -> None:
    changes = smallest_changes(recipe(f"launch.device={device}"), ["train"])
    assert changes
    typed = shlex.split(" ".join(changes))
    assert too_large(recipe(f"launch.device={device}", *typed), ["train"]) == []


def test_what_a_shell_would_break_is_quoted() -> None:
    told = _told(recipe(H100), ({"data.prompt": "Solve {problem}; think."}, {"trainer.micro_batch": 2}))
    assert told == ["'data.prompt=Solve {problem}; think.'", "trainer.micro_batch=2"]
    assert recipe(*shlex.split(" ".join(told))).data.prompt == "Solve {problem}; think."


def test_a_stage_that_no_lever_reaches_says_so() -> None:
    large = recipe(H100, "model.path=Qwen/Qwen2.5-32B-Instruct")
    told = {mistake.what.split()[1]: mistake.fix for mistake in too_large(large, TRAINED)}
    assert "launch.device=h200-141gb" in str(told["judge"])


def test_the_judge_is_sized_for_the_hardware_that_is_planned_for() -> None:
    """A 7B judge beside the policy, planned on a machine without a GPU for one: half-width weights, ~15 GiB."""
    told = parts("judge.card=qwen_math_prm_7b")
    assert 13 < told["judge"] < 20


def test_only_training_is_shared_by_processes() -> None:
    one, eight = (
        estimate(load_recipe("tiny_grpo", [f"launch.processes={n}", "launch.engine=torchrun"]).recipe, "warmup")
        for n in (1, 8)
    )
    assert one["seconds"] == eight["seconds"]


def test_larger_is_never_cheaper() -> None:
    base = estimate(recipe(H100), "train")
    for more in ("trainer.micro_batch=8", "trainer.max_completion_length=6144", "trainer.trl.beta=0.1"):
        other = estimate(recipe(H100, more), "train")
        assert other["memory_gib"] >= base["memory_gib"] and other["seconds"][1] >= base["seconds"][1], more
    more = (H100, "launch.engine=torchrun")
    eight, sixteen = (estimate(recipe(*more, f"launch.nodes={n}"), "train") for n in (1, 2))
    assert sixteen["seconds"][1] < eight["seconds"][1]


def test_an_unknown_accelerator_is_named_with_those_like_it() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe("launch.device=h100")
    assert "h100-80gb" in str(caught.value)


def test_disk_counts_checkpoints_with_their_moments() -> None:
    """Two kept and one being written, each 14.2 + 28.4 GiB, and the last and the best policy."""
    assert estimate(recipe(H100), "train")["disk_gib"] == pytest.approx(5 * 14.185 + 3 * 28.37, abs=0.2)


def test_disk_counts_the_float32_copies_of_sharded_training() -> None:
    """12 bytes a parameter for the optimizer, as in memory; ZeRO-2 writes the weights once more beside it."""
    state = 7_615_616_512 * 12 / GIB
    sharded = ("launch.engine=accelerate", "data.heldout=0")
    fsdp = estimate(recipe(H100, *sharded, "launch.strategy=fsdp2"), "train")["disk_gib"]
    assert fsdp == pytest.approx(14.185 + 3 * (14.185 + state), abs=0.2)
    zero = estimate(recipe(H100, *sharded, "launch.strategy=zero2"), "train")["disk_gib"]
    assert zero == pytest.approx(14.185 + 3 * (2 * 14.185 + state), abs=0.2)


def test_a_judge_stage_samples_no_more_rows_than_it_measures() -> None:
    few, many = (estimate(recipe(H100, f"judge.measure={n}"), "judge")["memory"]["parts"] for n in (2, 256))
    assert few["KV cache"] == pytest.approx(many["KV cache"] * 2 / 21, rel=0.01)  # 65,536 tokens are 21 answers


# --- against what was measured ---------------------------------------------------------------------------------------


def _benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = REPOSITORY / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("memory_estimate", folder / "memory_estimate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "memory_estimate", module)
    spec.loader.exec_module(module)
    return module


def test_estimates_are_within_a_fifth_of_the_measured_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgpo_cli.pipeline.cost.machine.on_accelerator", lambda: False)
    script = _benchmark(monkeypatch)
    kept = json.loads(script.KEPT.read_text())
    errors = {}
    for case in script.CASES:
        told = script.estimated(case)
        assert told.pop("parameters") >= 60e6
        errors[case.name] = sum(told.values()) / kept[case.name] - 1
    assert len(errors) >= 4 and max(map(abs, errors.values())) <= 0.2, errors


# --- as it is read ---------------------------------------------------------------------------------------------------


def shown(told: LoadedRecipe) -> str:
    plan = compile_recipe(told)
    document: dict[str, Any] = as_json(plan)
    document["warnings"] = [
        {"what": one.what, "fix": one.fix, "where": None}
        for one in too_large(told.recipe, [stage.kind for stage in plan.stages])
    ]
    document["prompt"], document["guidance"] = preview(told.recipe, None), None
    console = Console(file=io.StringIO(), width=80, theme=THEME)
    console.print(plan_table(document))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "more", [(), ("launch.device=a100-40gb",), (H100, "model.path=Qwen/Qwen2.5-32B-Instruct"), (H100, "model.lora={}")]
)
def test_a_plan_fits_eighty_columns(more: tuple[str, ...]) -> None:
    said = shown(loaded(*more))
    assert max(map(len, said.splitlines())) <= 80
    assert "memory of train" in said and "trained on" in said and "of disk" in said
    assert ("warning: " in said) == ("lora" not in " ".join(more))
