"""The guidance section: its kinds and fields, and the combinations that cannot work or look odd."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.errors import RecipeError
from sgpo_cli.recipe.kinds import Guidance, GuidanceNone
from sgpo_cli.recipe.load import from_dict, load_recipe, to_dict
from sgpo_cli.recipe.reference import sentences
from sgpo_cli.recipe.rules.guidance import _upwards
from sgpo_cli.recipe.shares import guided_count
from tests.recipe.files import base, mistakes, only, warnings, write


def guided(kind: str, more: str = "") -> str:
    """An override with a whole section; of BASE's 8 tokens, 4 are asked for as guidance."""
    length = "" if "length: " in more.replace("max_length", "").replace("min_length", "") else ", length: 4"
    return f"guidance={{kind: {kind}{length}, loss_on_prefix: false{', ' + more if more else ''}}}"


@pytest.fixture
def rows(here: Path) -> Path:
    """A recipe on a JSONL file with solutions, with a model by name."""
    write(here / "train.jsonl", "{}\n")
    text = "model: {path: a/b}\ndata: {source: train.jsonl, heldout: 4, columns: {solution: solution}}\n"
    return write(here / "recipes" / "rows.yaml", text + "reward:\n  - {kind: math}\n")


KINDS = ["fixed", "linear", "power", "cosine", "stepwise", "random"]


@pytest.mark.parametrize("kind", [*KINDS, "adaptive", "steady"])
def test_every_kind_loads_and_comes_back(here: Path, kind: str) -> None:
    base(here)
    # 10 steps: a stepwise schedule has to cut before that.
    more = "max_length: 6, every: 5" if kind == "stepwise" else "max_length: 6"
    loaded = load_recipe("base", [guided(kind, more)])
    assert loaded.warnings == [] and loaded.recipe.guidance.kind == kind
    assert next(iter(loaded.resolved["guidance"])) == "kind"
    assert from_dict(Guidance, to_dict(loaded.recipe.guidance)) == loaded.recipe.guidance


def test_length_and_loss_on_prefix_have_no_default(here: Path) -> None:
    base(here)
    found = [mistake.what for mistake in mistakes("base", ["guidance.kind=fixed"])]
    assert found == ["guidance.length is missing", "guidance.loss_on_prefix is missing"]


def test_inherited_fields_keep_their_sentence() -> None:
    from sgpo_cli.recipe.guidance import GuidanceJudged, GuidancePower

    power, judged = sentences(GuidancePower), sentences(GuidanceJudged)
    assert power["fraction"] == judged["fraction"] != "" and power["end"] and power["exponent"]
    assert judged["unit"] != power["unit"], "a class's own sentence wins over its base's"


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("guidance={kind: fixt}", "one of none, fixed, linear, power, stepwise, cosine, random, adaptive, steady,"),
        (guided("fixed", "fraction: 1.1"), "guidance.fraction must be a number >= 0 and <= 1"),
        (guided("fixed", "length: -1"), "guidance.length must be a whole number >= 0"),
        (guided("fixed", "signal: all"), "unknown key guidance.signal"),
        (guided("fixed", "end: 0.5"), "unknown key guidance.end"),
        (guided("adaptive", "preset: released"), "guidance.preset must be one of paper, released_code"),
        (guided("adaptive", "ratio_clip: 0.5"), "guidance.ratio_clip must be a number >= 1"),
        (guided("judged", "unit: tokens"), "guidance.unit must be one of steps"),
        (guided("judged", "scope: global"), "unknown key guidance.scope"),
        # rounding to none or all
        (guided("fixed", "fraction: 0"), "guidance.fraction 0 of 8 rollouts rounds to no rollout"),
        (guided("fixed", "fraction: 0.06"), "rounds to no rollout"),
        (guided("adaptive", "fraction: 0.95, signal: unguided, max_length: 6"), "signal unguided has nothing to go by"),
        # lengths
        (guided("fixed", "max_length: 3"), "guidance.length 4 is above guidance.max_length 3"),
        (guided("random", "low: 5"), "guidance.low 5 is above guidance.length 4"),
        (guided("adaptive", "preset: released_code, length: 0"), "is below the least of preset released_code, 1"),
        (guided("adaptive", "min_length: 5, max_length: 6"), "guidance.length 4 is below guidance.min_length 5"),
        (guided("fixed", "unit: tokens, length: 8"), "guidance.length 8 tokens leaves no room in"),
        (guided("fixed", "length: 8"), "guidance.length 8 steps, each a token or more, leaves no room in"),
        (guided("judged", "max_length: 6"), "guidance judged needs a judge"),
        (guided("steady", "max_length: 6, target: 0.2, band: 0.2"), "react when every guided answer is wrong"),
        (guided("steady", "max_length: 6, target: 0.9, band: 0.3"), "react when every guided answer is right"),
    ],
)  # fmt: skip
def test_mistakes(here: Path, override: str, what: str) -> None:
    base(here)
    assert what in only("base", [override]).what


def test_a_file_without_solutions_cannot_guide(rows: Path) -> None:
    assert warnings("rows", [guided("fixed")]) == []
    mistake = only("rows", [guided("fixed"), "data.columns.solution=null"])
    assert "guidance needs data.columns.solution, and it is null" in mistake.what
    assert load_recipe("rows", ["data.columns.solution=null"]).recipe.guidance == GuidanceNone()


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        ([guided("fixed", "fraction: 1")], "removes the contrast"),
        ([guided("fixed", "fraction: 0.94")], "removes the contrast"),
        ([guided("fixed", "length: 0")], "guidance.length 0 guides nothing"),
        ([guided("adaptive", "length: 0, max_length: 6")], "guidance.length 0 guides nothing"),
        ([guided("adaptive")], "guidance adaptive can only shorten"),
        ([guided("steady")], "guidance steady can only shorten"),
        ([guided("fixed", "max_length: 8")], "guidance.max_length 8 steps, each a token or more, is never reached"),
        ([guided("fixed", "scope: per_problem, max_length: 6")], "task hops draws fresh problems"),
        ([guided("fixed", "grow: 2")], "guidance.grow does nothing without scope: per_problem"),
        ([guided("stepwise")], "guidance.every 20 is not reached in 10 steps"),
    ],
)
def test_warnings(here: Path, overrides: list[str], what: str) -> None:
    base(here)
    [told] = warnings("base", overrides)
    assert what in told


@pytest.mark.parametrize(
    "override",
    [
        guided("fixed", "fraction: 0.0625"),  # half of a rollout is one
        guided("fixed", "length: 7"),  # of 8 tokens: one is left to sample
        guided("fixed", "length: 40, unit: tokens, budget: extra"),
        guided("steady", "length: 0, max_length: 6"),
        guided("adaptive", "preset: released_code"),
        guided("random", "low: 4"),
    ],
)
def test_combinations_that_work(here: Path, override: str) -> None:
    base(here)
    assert load_recipe("base", [override]).warnings == []


def test_per_problem_wants_problems_to_come_back(rows: Path) -> None:
    own = guided("fixed", "scope: per_problem, max_length: 6")
    assert warnings("rows", [own]) == []  # nobody has counted the rows
    # 100 steps of 32: 3200 draws of 1600 problems are twice each
    assert warnings("rows", [own, "data.limit=1604"]) == []
    [told] = warnings("rows", [own, "data.limit=1605"])
    assert "show each of up to 1601 less than twice" in told


def test_a_judge_that_only_guidance_asks_is_used(here: Path) -> None:
    base(here, "judge: {card: hops_oracle}\n")
    assert load_recipe("base", [guided("judged", "max_length: 6")]).warnings == []
    assert "never used" in warnings("base", [guided("fixed")])[0]


def test_advice_on_the_fraction_gives_a_rollout(here: Path) -> None:
    base(here)
    assert "guidance.fraction: 0.13" in str(only("base", [guided("fixed", "fraction: 0")]).fix)
    for size in range(2, 65):
        assert guided_count(float(_upwards(1 / size)), size) == 1


@given(st.integers(0, 1000), st.integers(2, 64))
def test_guided_count_is_half_up_on_the_written_decimal(thousandths: int, size: int) -> None:
    assert guided_count(thousandths / 1000, size) == (2 * thousandths * size + 1000) // 2000


def test_mistakes_of_a_stage_file_are_told(here: Path) -> None:
    with pytest.raises(RecipeError, match="loss_on_prefix is missing"):
        from_dict(Guidance, {"kind": "fixed", "length": 3})
