"""The walker: each mistake named, with its line, and all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgpo_cli.errors import RecipeError
from sgpo_cli.recipe.kinds import Rescue, RescueStepwise, WarmupSft
from sgpo_cli.recipe.load import from_dict, load_recipe, to_dict
from sgpo_cli.recipe.schema import Model, Recipe
from tests.recipe.files import BASE, base, mistakes, only, write


def test_a_misspelt_key_three_levels_deep(here: Path) -> None:
    write(here / "recipes" / "r.yaml", BASE.replace("share: 0.5", "shaer: 0.5"))
    mistake = only("r")
    assert mistake.what == "unknown key data.hops.misconceptions.shaer"
    assert mistake.where == "recipes/r.yaml:8"
    assert mistake.fix is not None
    assert mistake.fix.startswith("did you mean share?")
    assert "right, otherwise, distractors" in mistake.fix


def test_three_mistakes_at_once_through_extends_and_overrides(here: Path) -> None:
    write(here / "recipes" / "parent.yaml", BASE.replace("steps: 10", 'steps: "10"'))
    write(here / "recipes" / "child.yaml", "extends: parent\n\ntrainer:\n  grup_size: 4\n")
    found = mistakes("child", ["seed=1", "model.scratch.layers=0"])
    override = "override 2 (model.scratch.layers=0)"
    assert [mistake.where for mistake in found] == ["recipes/child.yaml:4", "recipes/parent.yaml:12", override]
    assert found[0].fix is not None and "group_size" in found[0].fix
    assert found[1].what == 'trainer.steps must be a whole number >= 1, got the text "10"'
    assert found[1].fix == "write 10, without quotes"
    assert found[2].what == "model.scratch.layers must be a whole number >= 1, got 0"


def test_structure_and_combination_mistakes_come_together(here: Path) -> None:
    base(here, "rescue: {kind: stepwise}\nsede: 3\n")
    found = [mistake.what for mistake in mistakes("base", ["launch.threads=abc"])]
    assert len(found) == 3
    assert any("needs a judge" in what for what in found)


def test_a_check_does_not_judge_a_default_that_stands_in_for_a_mistake(here: Path) -> None:
    # 6 rows in 4 updates do not fit, but nobody asked for the default group of 8 that 7 prompts would not fit with.
    base(here)
    found = mistakes("base", ["trainer.group_size=two", "trainer.prompts_per_step=7", "trainer.updates_per_step=3"])
    assert len(found) == 1


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("trainer.steps=true", "got true"),
        ("trainer.steps=3.0", "got 3.0"),
        ("trainer.steps=1e1", "got 10.0"),
        ("trainer.steps=null", "got null"),
        ("trainer.steps=[1]", "got a list"),
        ("trainer.learning_rate=.nan", "finite"),
        ("trainer.learning_rate=.inf", "finite"),
        ("trainer.learning_rate=1e999", "finite"),
        ("trainer.learning_rate=0", "> 0"),
        ("trainer.learning_rate='3'", 'the text "3"'),
        ("generation.top_p=1.5", "<= 1"),
        ("model.trust_remote_code=1", "true or false"),
        ("model.trust_remote_code=yes", "true or false"),
        ("model.dtype=float31", "one of auto, float32"),
        ("model.revision=123", "text"),
        ("launch.env={A: 1}", "launch.env.A must be text"),
        ("trainer=null", "trainer must be a section of keys, got null"),
        ("benchmarks={card: hops}", "a list"),
        ("benchmarks.0={k: 2}", "benchmarks must be a list"),
        ("benchmarks=[{k: 2}]", "benchmarks.0.card is missing"),
        ("track=wandb", "a list"),
        ("track=[wandbb]", "track.0 must be one of"),
        ("trainer.trl={epsilon: .nan}", "trainer.trl.epsilon must be a finite number"),
        ("reward=[{weight: 2}]", "reward.0 does not say which kind it is"),
        ("reward=[{kind: maths}]", "reward.0.kind must be one of math, exact, code, format, python"),
        ("rescue=none", "rescue must be a section with kind none or stepwise"),
        ("rescue=null", "got null"),
        ("rescue={kind: none, beta: 5}", "unknown key rescue.beta"),
        ("warmup={kind: sft, betas: [0.9]}", "warmup.betas must be a list of 2"),
        ("warmup={kind: sft, betas: [0.9, 2]}", "warmup.betas.1 must be a number >= 0 and <= 1"),
        ("warmup={kind: sft, steps: 3, steps: 4}", "warmup.steps is given twice"),
        ("seed=" + "9" * 5000, "too long a number"),
    ],
)
def test_wrong_values(here: Path, override: str, what: str) -> None:
    base(here)
    assert what in only("base", [override]).what


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("5E3", 5000.0), (".5", 0.5), ("1", 1.0), ("1_000.5", 1000.5)]
)
def test_numbers_are_read_as_people_write_them(here: Path, text: str, value: float) -> None:
    base(here, f"launch: {{env: {{A: '{text}'}}}}\n")
    loaded = load_recipe("base", [f"trainer.learning_rate={text}"])
    assert loaded.recipe.trainer.learning_rate == value
    assert isinstance(loaded.recipe.trainer.learning_rate, float)
    assert loaded.recipe.launch.env == {"A": text}


def test_words_of_yaml_1_1_are_text(here: Path) -> None:
    base(here, "model: {}\n".replace("model: {}\n", "launch: {env: {A: no, B: on, C: 12:30, D: 2026-01-02}}\n"))
    assert load_recipe("base").recipe.launch.env == {"A": "no", "B": "on", "C": "12:30", "D": "2026-01-02"}


def test_advice_says_what_to_write(here: Path) -> None:
    base(here)
    assert only("base", ["model.trust_remote_code=yes"]).fix == "write true, without quotes"
    assert only("base", ["rescue=none"]).fix == "write {kind: none}"
    base(here, "launch: {env: {A: 1}}\n")
    assert only("base").fix == 'write it in quotes: "1"'


def test_duplicate_keys_name_both_lines(here: Path) -> None:
    base(here, "seed: 1\nseed: 2\n")
    mistake = only("base")
    assert mistake.where == "recipes/base.yaml:15"
    assert mistake.fix == "it stands at recipes/base.yaml:14 already"


def test_tags_and_merge_keys_are_refused(here: Path) -> None:
    base(here, "launch: &l {threads: !!python/object:os.system 1}\n")
    assert "tag" in mistakes("base")[0].what
    base(here, "launch: &l {threads: 1}\ngeneration: {<<: *l}\n")
    assert "merge keys" in only("base").what


def test_from_dict_rebuilds_what_to_dict_wrote(here: Path) -> None:
    base(here, "warmup: {kind: sft, betas: [0.8, 0.9]}\n")
    recipe = load_recipe("base").recipe
    assert from_dict(Recipe, to_dict(recipe)) == recipe
    assert isinstance(recipe.warmup, WarmupSft) and recipe.warmup.betas == (0.8, 0.9)
    assert from_dict(Model, {"path": "a/b"}) == Model(path="a/b")
    assert from_dict(Rescue, {"kind": "stepwise", "beta": 2}) == RescueStepwise(beta=2.0)
    with pytest.raises(RecipeError, match="unknown key bteta"):
        from_dict(Rescue, {"kind": "stepwise", "bteta": 2})
