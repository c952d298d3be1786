"""`trainer.trl`: TRL's own fields, read from its sources without an import."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from sgpo_cli.recipe import trl_fields
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.rules.trl import CHOICES, FAMILIES, NAMED, OWNED, TUNED, free_fields
from sgpo_cli.recipe.trl_fields import class_fields
from sgpo_cli.recipe.trl_ranges import RANGES
from tests.conftest import REPOSITORY
from tests.recipe.files import base, mistakes, only, warnings


def test_the_sources_say_what_the_class_says() -> None:
    from trl import GRPOConfig

    fields = trl_fields.trl_fields()
    assert fields is not None
    assert set(fields) == {field.name for field in dataclasses.fields(GRPOConfig) if field.init}


def test_cutting_a_class_at_its_first_method_loses_no_field() -> None:
    for package, file, name in trl_fields._SOURCES:
        path = trl_fields._package_file(package, file)
        assert path is not None
        source = path.read_text(encoding="utf-8")
        [whole] = [item for item in ast.parse(source).body if isinstance(item, ast.ClassDef) and item.name == name]
        names = [
            item.target.id
            for item in whole.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        ]
        assert [field.name for field in class_fields(source, name) or []] == names


def test_every_refused_field_is_a_field() -> None:
    fields = trl_fields.trl_fields()
    assert fields is not None
    assert set(NAMED) | set(OWNED) | set(CHOICES) | set(TUNED) <= set(fields)
    assert all(any(name.startswith(family) for name in fields) for family in FAMILIES)
    assert {"loss_type", "beta", "epsilon", "adam_beta2", "lr_scheduler_type", "num_iterations"} <= set(
        free_fields(fields)
    )


def test_what_the_trainer_sets_itself_is_refused() -> None:
    """training/settings.py lays its own fields over `trainer.trl`: none of them may be accepted and then ignored."""
    source = (REPOSITORY / "sgpo_cli" / "training" / "settings.py").read_text(encoding="utf-8")
    _, ours = source.split("**trainer.trl,")
    set_by_us = re.findall(r'^\s+"(\w+)":', ours, flags=re.MULTILINE)
    assert len(set_by_us) > 20
    assert free_fields(set_by_us) == []


def test_choices_are_those_of_the_trainer() -> None:
    path = trl_fields._package_file("trl", "trainer/grpo_trainer.py")
    assert path is not None
    source = path.read_text(encoding="utf-8")
    for name, choices in CHOICES.items():
        found = set(re.findall(rf'self\.{name} == "(\w+)"', source))
        for group in re.findall(rf"self\.{name} in \[([^\]]*)\]", source):
            found |= set(re.findall(r'"(\w+)"', group))
        assert found <= set(choices), name
        assert set(choices) - found <= {"none"}, name


@pytest.mark.parametrize(
    ("given", "what", "fix"),
    [
        ("{learning_rate: 1e-3}", "has a key of its own in the recipe", "write trainer.learning_rate"),
        ("{num_generations: 4}", "has a key of its own", "write trainer.group_size"),
        ("{output_dir: x}", "is set by sgpo itself", "runs/NAME"),
        ("{vllm_mode: server}", "is set by sgpo itself", "generation.engine"),
        ("{vllm_gpu_memory_utilization: 0.5}", "does nothing: transformers generates", "generation.engine: vllm"),
        ("{logging_steps: 5}", "is set by sgpo itself", "metrics.jsonl"),
        ("{hub_model_id: x}", "is set by sgpo itself", "final/ is a plain folder"),
        ("{epsilonn: 0.2}", "is no field of TRL's GRPOConfig", "did you mean epsilon"),
        ("{lerning_rate: 0.2}", "is no field of TRL's GRPOConfig", "did you mean trainer.learning_rate"),
        ("{xyzzy: 0.2}", "is no field", "fields to set here: accelerator_config"),
        ("{loss_type: dr_gpro}", "must be one of grpo, bnpo", "did you mean dr_grpo?"),
        ("{epsilon: abc}", "must be a number", "None"),
        ("{num_iterations: 1.5}", "must be a whole number", "None"),
        ("{delta: [1]}", "must be null or a number", "None"),
        ("{gradient_checkpointing: 1}", "must be true or false", "None"),
        ("{optim: nope}", "transformers knows none of that name", "it knows adamw_torch, "),
        ("{optim: adamw_8bits}", "transformers knows none of that name", "adamw_8bit"),
        ("{lr_scheduler_type: nope}", "transformers knows none of that name", "it knows linear, "),
        ("{lr_scheduler_type: cosin}", "transformers knows none of that name", "did you mean cosine"),
        ("{max_grad_norm: -1}", "max_grad_norm must be >= 0, got -1", "None"),
        ("{adam_beta2: 1.0}", "adam_beta2 must be >= 0 and < 1", "None"),
        ("{num_iterations: 0}", "num_iterations must be >= 1", "None"),
    ],
)
def test_fields_that_are_refused(here: Path, given: str, what: str, fix: str) -> None:
    base(here)
    mistake = only("base", [f"trainer.trl={given}"])
    assert what in mistake.what
    assert fix in str(mistake.fix)


@pytest.mark.parametrize("share", [-1, 0, 1.5])
def test_a_share_of_a_device_is_one(here: Path, share: float) -> None:
    base(here, "generation: {engine: vllm}\n")
    mistake = only("base", [f"trainer.trl.vllm_gpu_memory_utilization={share}"])
    assert "must be > 0 and <= 1" in mistake.what
    assert load_recipe("base", ["trainer.trl.vllm_gpu_memory_utilization=1"]).recipe.trainer.trl


def test_names_are_those_of_transformers() -> None:
    from transformers.trainer_utils import SchedulerType
    from transformers.training_args import OptimizerNames

    for field, known in (("optim", OptimizerNames), ("lr_scheduler_type", SchedulerType)):
        assert set(trl_fields.field_names(field) or ()) == {member.value for member in known}
    assert trl_fields.field_names("beta") is None


def test_ranges_are_of_fields_that_a_recipe_may_set_and_admit_their_defaults() -> None:
    from trl import GRPOConfig

    known = trl_fields.trl_fields()
    assert known is not None
    assert set(RANGES) <= {*free_fields(known), "warmup_ratio"}, "a ratio of an earlier transformers"
    defaults = {field.name: field.default for field in dataclasses.fields(GRPOConfig)}
    for name, bounds in RANGES.items():
        default = defaults.get(name)
        assert not isinstance(default, int | float) or bounds.admits(default), name


def test_fields_that_are_free(here: Path) -> None:
    base(here)
    given = "{loss_type: dr_grpo, beta: 0, epsilon: 2e-1, scale_rewards: false, lr_scheduler_type: cosine, delta: null}"
    trl = load_recipe("base", [f"trainer.trl={given}"]).recipe.trainer.trl
    assert trl["epsilon"] == 0.2 and trl["beta"] == 0


def test_all_of_them_at_once_each_at_its_line(here: Path) -> None:
    base(here, "generation: {}\n")
    path = here / "recipes" / "base.yaml"
    path.write_text(
        path.read_text().replace("  steps: 10\n", "  steps: 10\n  trl:\n    seed: 1\n    epsilom: 1\n    bf16: true\n")
    )
    assert [mistake.where for mistake in mistakes(path)] == [f"recipes/base.yaml:{line}" for line in (14, 15, 16)]


def test_without_trl_the_names_go_unchecked_but_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl_fields.trl_fields.cache_clear()
    monkeypatch.setattr(trl_fields, "_SOURCES", (("trl", "nowhere.py", "GRPOConfig"),))
    base(here)
    try:
        [told] = warnings("base", ["trainer.trl={epsilonn: 1}"])
    finally:
        trl_fields.trl_fields.cache_clear()
    assert "not checked" in told
