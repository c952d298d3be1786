"""Combinations that cannot work, each found before any model is loaded, with the line of the key to change."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.preflight import check_engine
from sgpo_cli.recipe.load import load_recipe
from tests.recipe.files import base, mistakes, only, warnings, write

JSONL = "data: {source: train.jsonl, heldout: 4}\n"


@pytest.fixture
def rows(here: Path) -> Path:
    """A recipe on a JSONL file, with a model by name."""
    write(here / "train.jsonl", "{}\n")
    text = f"model: {{path: a/b}}\n{JSONL}reward:\n  - {{kind: math}}\n"
    return write(here / "recipes" / "rows.yaml", text)


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        # batch
        (["trainer.prompts_per_step=3", "trainer.group_size=3"], "3 prompts x 3 rollouts = 9 rows a step do not"),
        (["trainer.micro_batch=48"], "trainer.micro_batch 48 does not divide a device's share"),
        (["launch={engine: torchrun, processes: 3}"], "do not split into 2 updates x 3 processes"),
        (["launch.processes=2"], "launch.engine local starts one process, not 2"),
        # model
        (["model={scratch: null}"], "model has neither path nor scratch"),
        (["model.path=a/b"], "model has both path and scratch"),
        (["model.scratch.heads=3"], "hidden_size 64 is no multiple of model.scratch.heads 3"),
        (["model.scratch.heads=64"], "odd width"),
        (["model.scratch.kv_heads=3"], "does not divide"),
        (["trainer.max_completion_length=64"], "do not fit model.scratch.context 64"),
        (["model.chat=false", "model.system_prompt=Think."], "model.system_prompt needs chat messages"),
        (["model.chat_template=nope.jinja"], "no such file: nope.jinja"),
        # problems
        (["data.prompt=Solve it."], "data.prompt does not hold {problem}"),
        (["data.hops.entities=8", "data.hops.misconceptions.distractors=8"], "must be at most 7"),
        # rewards
        (["reward=[]"], "no reward is an outcome"),
        (["reward=[{kind: format}]"], "no reward is an outcome"),
        (["reward=[{kind: exact}, {kind: math}]"], "reward.1 is a second outcome"),
        (["reward.0.weight=0"], "reward.0.weight must be above 0"),
        (["reward=[{kind: exact}, {kind: format, pattern: '('}]"], "no regular expression"),
        (["reward=[{kind: exact}, {kind: python, path: f}]"], "names no function"),
        (["reward=[{kind: exact}, {kind: python, path: 'nope.py:f'}]"], "no such file: nope.py"),
        # judge, rescue, guidance
        (["rescue={kind: stepwise}"], "rescue stepwise needs a judge"),
        (["judge={card: hops_orcale}", "rescue={kind: stepwise}"], "no judge card 'hops_orcale'"),
        # outside
        (["benchmarks=[{card: hosp}]"], "no eval card 'hosp'"),
        (["benchmarks=[{card: hops}, {card: hops, k: 8}]"], "measures hops again"),
        (["name=a/b"], "cannot be a run's directory"),
        (["name=.."], "cannot be a run's directory"),
        (["name=-x"], "cannot be a run's directory"),
    ],
)  # fmt: skip
def test_impossible_combinations(here: Path, overrides: list[str], what: str) -> None:
    base(here)
    assert what in only("base", overrides).what


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["data.order=curriculum"], "data.order curriculum needs a difficulty column"),
        (["warmup={kind: sft}"], "warmup sft learns from solutions"),
        (["data.limit=4"], "leaves nothing to train on"),
        (["data.columns.answer=null"], "data.columns.answer is null"),
        (["data.source=trian.jsonl"], "no such file or directory: trian.jsonl"),
        (["judge={card: hops_oracle}", "rescue={kind: stepwise}"], "knows the facts of task hops only"),
        (["judge={card: arithmetic, floor: {f1: 0.5}}", "rescue={kind: stepwise}"], "measured on labelled responses"),
    ],
)
def test_impossible_combinations_with_rows(rows: Path, overrides: list[str], what: str) -> None:
    found = [mistake.what for mistake in mistakes("rows", overrides)]
    assert any(what in told for told in found), found


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.order=curriculum", "data.columns.difficulty=level"],
        ["warmup={kind: sft}", "data.columns.solution=solution"],
        ["data.limit=5"],
        ["data.columns.answer=null", "reward=[{kind: python, path: 'a.b:f', outcome: true}]"],
        ["trainer.micro_batch=16"],
        ["launch={engine: torchrun, processes: 8}"],
        ["data.source=openai/gsm8k", "data.config=main"],
    ],
)
def test_combinations_that_work(rows: Path, overrides: list[str]) -> None:
    assert load_recipe("rows", overrides).warnings == []


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["data.heldout=0"], "trainer.eval_every 10 measures nothing"),
        (["judge={card: hops_oracle}"], "the judge is measured but never used"),
        (["judge={card: hops_oracle}", "rescue={kind: stepwise, shape: linear, beta: 3}"], "rescue.beta does nothing"),
        (["judge={card: hops_oracle}", "rescue={kind: stepwise, wrong_max: 0.5}"], "rescue.wrong_max does nothing"),
        (["judge={card: hops_oracle}", "rescue={kind: stepwise, scaling: std, floor: 0.5}"], "rescue.floor does"),
        (["warmup={kind: sft, steps: 10}"], "never stays at its peak"),
        (["data.prompt=Q {problem}"], "knows the task's words only"),
        (["data.revision=main"], "data.revision is of the hub"),
        (["model.revision=main"], "model.revision is of the hub"),
    ],
)  # fmt: skip
def test_warnings(here: Path, overrides: list[str], what: str) -> None:
    base(here)
    [told] = warnings("base", overrides)
    assert what in told


def test_mistakes_point_at_the_key_to_change(here: Path) -> None:
    path = base(here, "rescue: {kind: stepwise}\nlaunch:\n  processes: 2\n")
    found = {
        str(mistake.where): mistake
        for mistake in mistakes(path, ["trainer.prompts_per_step=3", "trainer.group_size=5"])
    }
    override = "override 1 (trainer.prompts_per_step=3)"
    assert list(found) == ["recipes/base.yaml:14", "recipes/base.yaml:16", override]
    assert "trainer.prompts_per_step: 4" in str(found[override].fix)  # 4 x 5 = 20 rows in 4 shares


def test_cards_and_cross_checks_are_shown_with_the_walkers_mistakes(here: Path) -> None:
    more = "judge: {card: hops_orcale, max_abstaned: 1}\nrescue: {kind: stepwise, btea: 2}\n"
    benches = "benchmarks:\n  - {card: hosp, kk: 3}\n  - {card: hops}\n  - {card: hops}\n"
    path = base(here, more + benches + "track: [wanb]\nname: 3\n")
    said = "\n".join(mistake.what for mistake in mistakes(path, ["trainer.group_sise=4", "launch.processes=2"]))
    for what in (
        "no judge card 'hops_orcale'",
        "unknown key judge.max_abstaned",
        "unknown key rescue.btea",
        "no eval card 'hosp'",
        "unknown key benchmarks.0.kk",
        "benchmarks.2 measures hops again",
        "track.0 must be one of",
        "name must be text",
        "unknown key trainer.group_sise",
        "launch.engine local starts one process",
    ):
        assert said.count(what) == 1, what


def test_a_recipe_that_is_not_checked_may_name_cards_that_are_gone(here: Path) -> None:
    path = base(here, "benchmarks: [{card: gone}]\n")
    assert load_recipe(path, check=False).recipe.benchmarks[0].card == "gone"


def test_a_long_override_is_cut_in_its_place(here: Path) -> None:
    base(here)
    where = str(only("base", [f"data.prompt={'x' * 300}"]).where)
    assert where.startswith("override 1 (data.prompt=xxx") and where.endswith("...)") and len(where) < 80


def test_a_judge_card_with_mistakes_is_shown_with_its_line(here: Path) -> None:
    base(here, "judge: {card: mine}\nrescue: {kind: stepwise}\n")
    write(here / "judges" / "mine.yaml", "# My judge.\nkind: arithmetic\nslack: 3\n")
    mistake = only("base")
    assert mistake.where == "recipes/base.yaml:14"
    assert "judges/mine.yaml:3: unknown key slack" in mistake.what


def test_a_function_is_looked_for_without_running_the_file(here: Path) -> None:
    base(here)
    write(here / "mine.py", "raise SystemExit\ndef right(): ...\nother = right\n")
    told = "reward=[{{kind: exact}}, {{kind: python, path: 'mine.py:{}'}}]"
    assert load_recipe("base", [told.format("right")]).warnings == []
    write(here / "mine.py", "import os\ndef right(): ...\nother = right\n")
    assert load_recipe("base", [told.format("other")]).warnings == []
    mistake = only("base", [told.format("rihgt")])
    assert "mine.py has no function 'rihgt'" in mistake.what and "did you mean right?" in str(mistake.fix)
    write(here / "mine.py", "def f(:\n")
    assert "is not Python" in only("base", [told.format("f")]).what


def test_a_tracker_must_be_installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base(here)
    (here / "mlflow").mkdir()  # a directory of that name is no package
    monkeypatch.syspath_prepend(str(here))
    loaded = load_recipe("base", ["track=[mlflow]"])
    assert [told.fix for told in loaded.warnings] == ["pip install mlflow, or take it out"], "it can be planned here"
    with pytest.raises(UserError, match="mlflow is not installed"):
        check_engine(loaded.recipe)
    write(here / "wandb" / "__init__.py", "raise SystemExit")  # found, not run
    assert load_recipe("base", ["track=[wandb]"]).recipe.track == ["wandb"]
    assert "names wandb twice" in only("base", ["track=[wandb, wandb]"]).what


def test_vllm_may_be_missing_where_a_recipe_is_planned(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base(here)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "vllm" else find(name))
    [told] = load_recipe("base", ["generation.engine=vllm", "trainer.trl.vllm_max_model_length=64"]).warnings
    assert told.what == "generation.engine: vllm is not installed"
    assert "pip install 'sgpo-cli[vllm]'" in str(told.fix)
    assert load_recipe("base").warnings == []
