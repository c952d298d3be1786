"""Loading: what wins over what, where things are found, and files that are no recipes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.interpolate import escape, interpolate
from sgpo_cli.recipe.kinds import RescueNone, RescueStepwise
from sgpo_cli.recipe.load import from_dict, load_recipe, to_dict
from sgpo_cli.recipe.nodes import Findings, Place, from_plain, to_plain
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.recipe.yamlio import compose, dump
from tests.conftest import REPOSITORY
from tests.recipe.files import BASE, base, mistakes, only, write

SHIPPED = sorted((REPOSITORY / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_loads_clean_from_anywhere(here: Path, path: Path) -> None:
    loaded = load_recipe(path)
    assert load_recipe(path.stem).recipe == loaded.recipe
    assert [one for one in loaded.warnings if "is not installed" not in one.what] == []
    again = write(here / "recipe.yaml", loaded.to_yaml())
    assert load_recipe(again).recipe == loaded.recipe
    assert from_dict(Recipe, loaded.resolved) == loaded.recipe


def test_the_tiny_recipes_differ_in_rescue_and_judge_only(here: Path) -> None:
    grpo, sgpo = load_recipe("tiny_grpo").resolved, load_recipe("tiny_sgpo").resolved
    assert {key for key in grpo if grpo[key] != sgpo[key]} == {"name", "rescue", "judge"}


# --- extends ----------------------------------------------------------------------------------------------------------


def test_extends_merges_and_names_both_files(here: Path) -> None:
    parent = base(here, "launch: {env: {A: a}}\n")
    child = write(here / "other" / "child.yaml", "extends: base\ntrainer: {steps: 3}\nlaunch: {env: {B: b}}\n")
    loaded = load_recipe(child)
    assert loaded.sources == [child, parent]
    assert (loaded.recipe.trainer.steps, loaded.recipe.trainer.max_completion_length) == (3, 8)
    assert loaded.recipe.launch.env == {"A": "a", "B": "b"}
    assert loaded.where("trainer.steps") == "other/child.yaml:2"
    assert loaded.where("trainer.max_completion_length") == "recipes/base.yaml:13"
    assert loaded.where("trainer.keep") == "other/child.yaml:2"  # not written: the section it would stand in


def test_a_name_is_not_inherited(here: Path) -> None:
    base(here, "name: special\n")
    write(here / "recipes" / "child.yaml", "extends: base\n")
    assert load_recipe("base").recipe.name == "special"
    assert load_recipe("child").recipe.name == "child"
    assert load_recipe("child", ["name=x-${seed}"]).recipe.name == "x-0"


def test_a_section_that_changes_its_kind_drops_what_it_inherited(here: Path) -> None:
    base(here, "judge: {card: hops_oracle}\nrescue: {kind: stepwise, beta: 3, unit: tokens}\n")
    write(here / "recipes" / "none.yaml", "extends: base\njudge: null\nrescue: {kind: none}\n")
    write(here / "recipes" / "same.yaml", "extends: base\nrescue: {gamma: 0.2}\n")
    assert load_recipe("none").recipe.rescue == RescueNone()
    assert load_recipe("same").recipe.rescue == RescueStepwise(beta=3.0, unit="tokens", gamma=0.2)
    assert load_recipe("base", ["rescue.kind=none", "judge=null"]).recipe.rescue == RescueNone()
    write(here / "recipes" / "bad.yaml", "extends: base\nrescue: {kind: none, beta: 3}\n")
    assert only("bad").what == "unknown key rescue.beta"


def test_overrides_of_a_new_kind_stand_in_any_order(here: Path) -> None:
    base(here, "judge: {card: hops_oracle}\n")
    wanted = RescueStepwise(beta=3.0)
    assert load_recipe("base", ["rescue.kind=stepwise", "rescue.beta=3"]).recipe.rescue == wanted
    assert load_recipe("base", ["rescue.beta=3", "rescue.kind=stepwise"]).recipe.rescue == wanted


def test_extends_in_a_circle_and_to_nowhere(here: Path) -> None:
    write(here / "recipes" / "a.yaml", "extends: b\n")
    write(here / "recipes" / "b.yaml", "# hello\nextends: a\n")
    with pytest.raises(UserError, match=r"circle: recipes/a\.yaml -> recipes/b\.yaml -> recipes/a\.yaml") as caught:
        load_recipe("a")
    assert caught.value.where == "recipes/b.yaml:2"
    write(here / "recipes" / "c.yaml", "extends: tiny_grop\n")
    with pytest.raises(UserError, match="no recipe 'tiny_grop'") as caught:
        load_recipe("c")
    assert caught.value.where == "recipes/c.yaml:1"
    assert caught.value.fix is not None and "did you mean tiny_grpo" in caught.value.fix


# --- overrides --------------------------------------------------------------------------------------------------------


def test_overrides(here: Path) -> None:
    base(here, "benchmarks:\n  - {card: hops, k: 2}\n  - {card: gsm8k, file: b.jsonl}\n")
    write(here / "b.jsonl", "{}\n")
    told = ["trainer.steps=3", "trainer.steps=4", "benchmarks.0.k=5", "benchmarks[1].limit=7", "data={limit: 9}"]
    recipe = load_recipe("base", [*told, "model.revision=a=b", "judge={card: hops_oracle}", "judge=null"]).recipe
    assert recipe.trainer.steps == 4
    assert (recipe.benchmarks[0].card, recipe.benchmarks[0].k, recipe.benchmarks[1].limit) == ("hops", 5, 7)
    assert (recipe.data.limit, recipe.data.heldout) == (9, 8)
    assert (recipe.model.revision, recipe.judge) == ("a=b", None)


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("trainer.steps", "cannot read 'trainer.steps'"),
        ("=3", "cannot read '=3'"),
        ("trainer..steps=3", "cannot read"),
        ("+trainer.steps=3", "cannot read"),
        ("trainer.steps=", "trainer.steps has no value"),
        ("data.prompt=a: {", "cannot read the value of data.prompt"),
        ("data.prompt={problem}", "data.prompt must be text, got a mapping"),
        ("reward.3.kind=math", "reward has 1 item, numbered from 0: there is no reward.3"),
        ("reward.kind=math", "reward is a list: number its item, reward.0.kind"),
        ("extends=base", "`extends` belongs in a recipe file"),
        ("trainer.stepz=1", "unknown key trainer.stepz"),
    ],
)
def test_overrides_that_are_mistakes(here: Path, override: str, what: str) -> None:
    base(here)
    mistake = only("base", ["seed=1", override])
    assert mistake.where == f"override 2 ({override})"
    assert what in mistake.what


# --- interpolation ----------------------------------------------------------------------------------------------------


def test_interpolation(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGPO_TEST_STEPS", "7")
    base(here, "name: r_${seed}_${trainer.keep}\nlaunch: {env: {A: '\\${HOME}', B: \"${oc.env:SGPO_TEST_STEPS}\"}}\n")
    recipe = load_recipe("base", ["trainer.steps=${oc.decode:${oc.env:SGPO_TEST_STEPS}}", "seed=4"]).recipe
    assert recipe.name == "r_4_2"  # keep is a default
    assert recipe.trainer.steps == 7
    assert recipe.launch.env == {"A": "${HOME}", "B": "7"}


def test_interpolations_that_fail_each_at_its_line(here: Path) -> None:
    more = 'launch:\n  env:\n    A: "${nope}"\n    B: "${oc.env:SGPO_NOT_SET}"\n    C: "${"\n    D: "${launch.env.D}"\n'
    base(here, more)
    found = mistakes("base", ["trainer.steps=${seed.x}"])
    assert [mistake.where for mistake in found] == [f"recipes/base.yaml:{line}" for line in (16, 17, 18, 19)] + [
        "override 1 (trainer.steps=${seed.x})"
    ]
    assert found[1].fix is not None and "default" in found[1].fix


def test_text_from_the_environment_is_not_a_number(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGPO_TEST_STEPS", "7")
    base(here)
    assert only("base", ["trainer.steps=${oc.env:SGPO_TEST_STEPS}"]).fix is not None
    assert "oc.decode" in str(only("base", ["trainer.steps=${oc.env:SGPO_TEST_STEPS}"]).fix)


TRICKY = ["1e-4", "no", "null", "~", "010", "1_0", "12:30", "1.", ".5", "0x1F", "2026-01-02", "<<", "#", "- a", "a: b"]
BREAKS = ["a\nb", "a\nb\n", " a\nb ", "\n", "a\r\nb", "\u2028", "\x85", "'", '"', "*a", "&a", "???", "!!x"]
DOLLARS = ["${x}", "\\${x}", "\\\\${", "${a}\\\\"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from([*TRICKY, *BREAKS, *DOLLARS])


@given(
    value=st.dictionaries(TEXT, TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
)
def test_what_is_dumped_reads_back(value: dict[str, object]) -> None:
    findings = Findings()
    text = dump(value)
    node = compose(text, Place(), findings)
    assert node is not None
    assert yaml.safe_load(text) == value
    # `<<` and keys that are no words are refused by the reader, not by the format.
    if "<<" not in value:
        assert not findings.found
        assert to_plain(node) == value


@given(text=TEXT | st.text("\\${}ab", max_size=10))
def test_escaped_text_survives_interpolation(text: str) -> None:
    findings = Findings()
    tree = interpolate(from_plain({"a": escape(text)}, Place()), {}, findings)
    assert not findings.found
    assert to_plain(tree) == {"a": text}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    prompt=TEXT,
    steps=st.integers(1, 10**6),
    rate=st.floats(1e-12, 1.0),
    env=st.dictionaries(TEXT.filter(lambda key: key != "<<"), TEXT, max_size=3),
    rescue=st.builds(RescueStepwise, beta=st.floats(0.1, 9), shape=st.sampled_from(["logistic", "linear"])),
)
def test_a_resolved_recipe_loads_to_an_equal_one(
    here: Path, prompt: str, steps: int, rate: float, env: dict[str, str], rescue: RescueStepwise
) -> None:
    recipe = load_recipe(base(here)).recipe
    recipe.data.prompt, recipe.trainer.steps, recipe.trainer.learning_rate = prompt, steps, rate
    recipe.launch.env, recipe.rescue = env, rescue
    again = write(here / "again.yaml", dump(escape(to_dict(recipe))))
    assert load_recipe(again, check=False).recipe == recipe


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: b: c\n", "bad.yaml:1", "not YAML"),
        ("seed: 1\n  data: 2\n", "bad.yaml:2", "not YAML"),
        ("seed: [1, 2\ndata: 3\n", "bad.yaml:", "not YAML"),
        ("seed: 1\n\tdata: 2\n", "bad.yaml:2", "not YAML"),
        ("", "bad.yaml:1", "empty"),
        ("# only words\n\n", "bad.yaml:1", "empty"),
        ("- a\n- b\n", "bad.yaml:1", "must hold keys, not a list"),
        ("just text\n", "bad.yaml:1", "must hold keys"),
        ("seed: 1\n---\nseed: 2\n", "bad.yaml:2", "not YAML"),
        ("seed: \x00\n", "bad.yaml:1", "not YAML"),
        ("a: &a [*a]\n", "bad.yaml:1", "endless"),
        ("seed: *nope\n", "bad.yaml:1", "not YAML"),
        ("[" * 3000, "bad.yaml", "not"),
    ],
)
def test_files_that_are_no_recipes(here: Path, text: str, where: str, what: str) -> None:
    path = write(here / "bad.yaml", text)
    with pytest.raises(UserError, match=what) as caught:
        load_recipe(path)
    assert caught.value.exit_code == 2
    assert str(caught.value.where).startswith(where)


def test_not_text_not_there_not_a_file(here: Path) -> None:
    (here / "bad.yaml").write_bytes(b"seed: \xff\xfe\n")
    with pytest.raises(UserError, match="not UTF-8"):
        load_recipe("bad.yaml")
    with pytest.raises(UserError, match=r"no such recipe: \./bda\.yaml") as caught:
        load_recipe("./bda.yaml")
    assert "bad.yaml" in str(caught.value.fix)
    (here / "dir.yaml").mkdir()
    with pytest.raises(UserError, match="no such recipe"):
        load_recipe("dir.yaml")


def test_aliases_cannot_blow_up(here: Path) -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 10)]
    write(here / "bomb.yaml", "\n".join(["l0: &l0 [1]", *levels]))
    with pytest.raises(UserError, match="endless"):
        load_recipe("bomb.yaml")


def test_paths_of_files_become_absolute(here: Path) -> None:
    write(here / "sub" / "train.jsonl", "{}\n")
    write(here / "sub" / "template.jinja", "x")
    write(here / "sub" / "mine.py", "def f(): ...\n")
    text = """
model: {path: Qwen/Qwen2.5-7B-Instruct, chat_template: template.jinja}
data: {source: train.jsonl, heldout: 4}
reward: [{kind: python, path: "mine.py:f", outcome: true}]
"""
    loaded = load_recipe(write(here / "sub" / "r.yaml", text)).recipe
    assert loaded.model.path == "Qwen/Qwen2.5-7B-Instruct"
    assert loaded.model.chat_template == str(here / "sub" / "template.jinja")
    assert loaded.data.source == str(here / "sub" / "train.jsonl")
    assert vars(loaded.reward[0])["path"] == f"{here}/sub/mine.py:f"
    write(here / "train.jsonl", "{}\n")  # the current directory comes first
    assert load_recipe("sub/r.yaml").recipe.data.source == str(here / "train.jsonl")
    mistake = only("sub/r.yaml", ["data.source=trian.jsonl"])
    assert "no such file or directory: trian.jsonl" in mistake.what
    assert "did you mean train.jsonl" in str(mistake.fix)


# --- whatever is typed ------------------------------------------------------------------------------------------------

SECTIONS = [
    "trainer",
    "trainer.steps",
    "trainer.trl",
    "model",
    "model.path",
    "data.source",
    "data.prompt",
    "launch.env.A",
]
KINDS = ["reward", "reward.0", "rescue", "rescue.kind", "judge", "judge.card", "guidance", "warmup.betas.1"]
KEYS = [*SECTIONS, *KINDS, "benchmarks.0", "track", "name", "nope"]
VALUES = """{} [] null none 3 -1 .nan [{}] {kind:_stepwise} {kind:_[1]} '${seed}' ${ ${name} ${trainer} ${oc.env:A,1}
hops [wandb] / ~ ~nobody/x.yaml a.yaml x.py:f &a_[*a] {a:_{b:_[1,{c:_2}]}} !x . [{kind:_python,path:_':'}]"""
GIVEN = [value.replace("_", " ") for value in VALUES.split()] + ["a" * 300, "9" * 400, "\x00", '"\\0"']


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    overrides=st.lists(
        st.text(max_size=20) | st.builds("{}={}".format, st.sampled_from(KEYS), st.sampled_from(GIVEN)), max_size=4
    )
)
def test_anything_typed_loads_or_is_the_persons_mistake(here: Path, overrides: list[str]) -> None:
    path = base(here, "benchmarks: [{card: hops}]\n")
    try:
        loaded = load_recipe(path, overrides)
    except UserError as problem:
        assert problem.exit_code == 2
    else:
        assert from_dict(Recipe, loaded.resolved) == loaded.recipe


# --- weight -----------------------------------------------------------------------------------------------------------


def test_loading_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "trl", "datasets", "pandas", "numpy", "omegaconf", "rich")
    code = (
        "import sys; from sgpo_cli.recipe.load import load_recipe\n"
        "load_recipe('tiny_sgpo'); load_recipe('qwen7b_sgpo')\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_base_is_what_the_other_tests_think(here: Path) -> None:
    loaded = load_recipe(base(here))
    assert loaded.warnings == [] and loaded.recipe.name == "base" and loaded.path == here / "recipes" / "base.yaml"
    assert BASE.splitlines()[7].strip() == "share: 0.5"
