"""The house keeps its own promises: kinds and implementations, cards, what ships, names of nowhere."""

from __future__ import annotations

import subprocess
import sys
import typing
import zipfile
from pathlib import Path

import pytest

from sgpo_cli.recipe import kinds
from sgpo_cli.recipe.cards import load_eval_card, load_judge_card
from sgpo_cli.recipe.find import list_cards
from tests.tiny import REPOSITORY


def _kinds(union: object) -> set[str]:
    members = typing.get_args(union) or (union,)
    return {member.__dataclass_fields__["kind"].default for member in members}


def test_every_kind_of_rescue_guidance_and_judge_is_implemented_and_no_other() -> None:
    from sgpo_cli.judging.registry import JUDGES
    from sgpo_cli.methods.guidance import GUIDANCES
    from sgpo_cli.methods.rescue import RESCUES

    assert _kinds(kinds.Rescue) == set(RESCUES)
    assert _kinds(kinds.Guidance) == set(GUIDANCES)
    assert _kinds(kinds.JudgeCard) == set(JUDGES)


def test_every_card_loads() -> None:
    judges = {card.name: load_judge_card(card.name) for card in list_cards("judges")}
    assert judges.keys() >= {"arithmetic", "hops_oracle"}
    evals = {card.name: load_eval_card(card.name) for card in list_cards("evals")}
    assert evals.keys() >= {"aime24", "gsm8k", "hops", "math500"}
    for kind in ("recipes", "judges", "evals"):
        assert all(card.description for card in list_cards(kind)), "a card opens with what it is for"


def test_every_recipe_plans_and_smoke_shrinks(here: Path) -> None:
    from sgpo_cli.pipeline.plan import as_json, compile_recipe
    from sgpo_cli.pipeline.smoke import shrink
    from sgpo_cli.recipe.load import load_recipe

    for card in list_cards("recipes"):
        loaded = load_recipe(card.name)
        assert as_json(compile_recipe(loaded))["stages"]
        small, changes = shrink(loaded)
        assert small.recipe.name == f"{loaded.recipe.name}-smoke" and changes
        assert small.recipe.model.path is None


def test_the_wheel_has_the_cards_and_no_package_of_another_name(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path), "."],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    if "No module named 'hatchling'" in built.stderr or ("hatchling" in built.stderr and built.returncode):
        pytest.skip("hatchling is not installed here")
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert len(tops) == 2 and "sgpo_cli" in tops, tops
    for card in ("recipes/tiny_sgpo.yaml", "judges/arithmetic.yaml", "evals/aime24.yaml"):
        assert f"sgpo_cli/_cards/{card}" in names
    assert any(name.endswith("report/page.html.j2") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_constraints_pin_what_pyproject_asks_for() -> None:
    import tomllib

    from packaging.requirements import Requirement

    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {
        r.name.lower().replace("_", "-"): r for r in map(Requirement, (x for x in lines if not x.startswith("#")))
    }
    assert str(pinned["torch"].specifier) == "==2.13.0"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, asked):
        pin = pinned[requirement.name.lower().replace("_", "-")]
        (exact,) = pin.specifier
        assert requirement.specifier.contains(exact.version), requirement


def test_no_file_is_a_hall() -> None:
    """Small rooms: over 350 lines a file holds more than one idea."""
    large = {
        str(path.relative_to(REPOSITORY)): lines
        for path in (REPOSITORY / "sgpo_cli").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 350
    }
    assert not large
