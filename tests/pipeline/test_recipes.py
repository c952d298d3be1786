"""Every shipped recipe: loads, plans, and runs every stage small; its baseline differs in what it says it does.

Each is run once in this process, one after the other, so that torch is imported once; one of each family runs in child
processes as users run it (that of SGPO is README's). Cards that no recipe names are run in a recipe's place.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sgpo_cli.cli.main import app
from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.launch import in_process
from sgpo_cli.pipeline.plan import as_json, compile_recipe
from sgpo_cli.pipeline.run import run_plan
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.find import list_cards
from sgpo_cli.recipe.load import LoadedRecipe, load_recipe
from sgpo_cli.recipe.shares import guided_count
from sgpo_cli.verify.code import choose_sandbox
from tests.tiny import REPOSITORY, rows, sgpo

RECIPES = sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))
LOADED = {name: load_recipe(REPOSITORY / "recipes" / f"{name}.yaml") for name in RECIPES}
REAL = [name for name in RECIPES if LOADED[name].recipe.model.path is not None]
BASELINES = [name for name in REAL if name.endswith("_grpo")]
NAMED = """
qwen7b_sgpo qwen14b_sgpo qwen32b_sgpo r1_distill_qwen7b_sgpo r1_distill_qwen14b_sgpo r1_distill_qwen32b_sgpo
qwen3_4b_base_sgpo qwen3_0p6b_g2rpoa_math qwen3_1p7b_g2rpoa_math qwen3_8b_base_g2rpoa_math qwen3_0p6b_g2rpoa_code
qwen3_1p7b_g2rpoa_code qwen3_1p7b_sgpo_g2rpoa qwen3_1p7b_sgpo_lora
"""
NINE = "math500 aime24 aime25 amc23 minerva olympiadbench hmmt_feb24 hmmt_feb25 gsm8k"
MATH, CODE = "math500 minerva gpqa_diamond aime24 aime25", "humaneval livecodebench"


def needs_sandbox(loaded: LoadedRecipe) -> bool:
    kinds = {load_eval_card(use.card).grade.kind for use in loaded.recipe.benchmarks}
    return "code" in kinds | {reward.kind for reward in loaded.recipe.reward}


def skip_without_sandbox() -> None:
    try:
        choose_sandbox()
    except UserError as problem:
        pytest.skip(str(problem))


def test_the_recipes_of_both_papers_are_here() -> None:
    assert set(NAMED.split()) <= set(REAL)
    assert {name.replace("_sgpo", "_grpo") for name in NAMED.split() if re.fullmatch(r".*\d+b(_base)?_sgpo", name)} == (
        set(BASELINES)
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_loads_and_plans(name: str, here: Path) -> None:
    loaded = LOADED[name]
    # What is not installed here is no mistake of the recipe; a smoke run does without it.
    assert [m.what for m in loaded.warnings if "is not installed" not in m.what] == []
    stages = [stage["name"] for stage in as_json(compile_recipe(loaded))["stages"]]
    assert stages[-1] == "report" and "train" in stages
    assert ("judge" in stages) == (loaded.recipe.judge is not None)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_differs_in_judge_and_rescue_only(name: str) -> None:
    pair = LOADED[name.replace("_grpo", "_sgpo")].resolved
    mine = LOADED[name].resolved
    assert {key for key in pair if pair[key] != mine[key]} == {"name", "judge", "rescue"}
    assert mine["judge"] is None and mine["rescue"] == {"kind": "none"}
    assert pair["rescue"]["kind"] == "stepwise" and pair["judge"]["card"] in {
        "qwq_32b",
        "deepseek_v3",
        "o4_mini",
        "qwen_math_prm_7b",
    }


@pytest.mark.parametrize("name", REAL)
def test_benchmarks_are_the_papers(name: str) -> None:
    recipe = LOADED[name].recipe
    used = " ".join(use.card for use in recipe.benchmarks)
    if "code" in name:
        assert used == CODE
    else:
        assert used == (MATH if "g2rpoa" in name else NINE)
    for use in recipe.benchmarks:
        sampling = load_eval_card(use.card).sampling
        assert (use.temperature or sampling.temperature, use.top_p or sampling.top_p, use.top_k) == (0.6, 0.95, 20)
        assert use.k == 16 or used != NINE


@pytest.mark.parametrize("name", REAL)
def test_a_recipe_opens_with_what_it_needs_and_where_its_values_come_from(name: str) -> None:
    head = (REPOSITORY / "recipes" / f"{name}.yaml").read_text().partition("\nname:")[0]
    for line in (f"sgpo plan  recipes/{name}.yaml", f"sgpo train recipes/{name}.yaml --smoke"):
        assert line in head
    assert re.search(r"^# Needs: ", head, re.MULTILINE) and re.search(r"^# Memory and time: ", head, re.MULTILINE)
    assert "has not been run on GPUs by us" in head
    assert "the values come from" in head or "its values come from" in head or "open" in head
    for mentioned in re.findall(r"\b\w+_(?:sgpo|grpo|g2rpoa_math|g2rpoa_code)\b", head):
        assert mentioned in RECIPES or f"name={mentioned}" in head, mentioned


_OVERRIDE = r"(?:name|guidance|rescue|judge|data|launch)(?:\.\w+)*=(?:'[^']*'|[\w.-]*\w)"


@pytest.mark.parametrize("name", REAL)
def test_overrides_that_a_comment_names_load(name: str) -> None:
    head = (REPOSITORY / "recipes" / f"{name}.yaml").read_text().partition("\nname:")[0]
    groups = re.findall(rf"{_OVERRIDE}(?:[\s#]+{_OVERRIDE})*", head)
    if name in {"qwen3_1p7b_g2rpoa_math", "qwen3_1p7b_sgpo_lora"}:
        assert len(groups) > 1
    for group in groups:
        load_recipe(REPOSITORY / "recipes" / f"{name}.yaml", shlex.split(group.replace("#", " ")))


# --- smoke runs -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One directory for all smoke runs: they share the random policy of a model family."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("smoke")
        patch.chdir(folder)
        assert run_plan.__kwdefaults__ is not None
        patch.setitem(run_plan.__kwdefaults__, "launcher", in_process)
        yield folder


def smoke(name: str, *overrides: str) -> Result:
    done = CliRunner().invoke(app, ["train", name, *overrides, "--smoke"])
    assert done.exit_code == 0, (done.output, done.exception)
    return done


@pytest.mark.parametrize("name", RECIPES)
def test_a_smoke_run_ends(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LOADED[name]
    if needs_sandbox(loaded):
        skip_without_sandbox()
    watches = watched(monkeypatch) if loaded.recipe.model.lora is not None else None
    done = smoke(name)
    assert watches is None or [watch.seen for watch in watches] == [True], "the sampler was compared with the policy"
    run = place / "runs" / f"{name}-smoke"
    assert (run / "report.html").exists() and (run / "stages/train/final/config.json").exists()
    told = rows(run / "stages/train/metrics.jsonl")
    assert [row["step"] for row in told] == [1, 2]
    assert any(row["grad_norm"] > 0 for row in told), "a smoke run makes a real update"
    if loaded.recipe.rescue.kind == "stepwise":
        assert sum(row["groups"]["rescued"] for row in told) > 0
    for use in loaded.recipe.benchmarks:
        summary = json.loads((run / "stages/eval" / use.card / "summary.json").read_text())
        assert summary["n_problems"] == 4 and summary["sampling"]["top_k"] == (use.top_k or 0)
    if loaded.recipe.judge is not None:
        assert "a stand-in on this machine" in done.output or loaded.recipe.judge.card not in {"qwq_32b", "o4_mini"}
        judged = json.loads((run / "stages/judge/judge.json").read_text())
        assert judged["rows"] == 16
        if "a stand-in on this machine" in done.output:
            assert judged["usage"]["calls"] > 0 and judged["abstained"] == 0
            check_told_apart(rows(run / "stages/train/rollouts.jsonl"))
    if loaded.recipe.guidance.kind != "none":
        check_guided(loaded, told, rows(run / "stages/train/rollouts.jsonl"))
    offline = loaded.recipe.offline is not None
    assert ("drift" in told[0]) == ("off-policy" in done.output) == offline
    assert ("outside the clip range" in (run / "report.html").read_text()) == offline


def watched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The watches of samplers that are made from now on."""
    from sgpo_cli.training.adapters import SamplerWatch

    made: list[Any] = []
    plain = SamplerWatch.__init__

    def kept(self: Any, *arguments: Any) -> None:
        plain(self, *arguments)
        made.append(self)

    monkeypatch.setattr(SamplerWatch, "__init__", kept)
    return made


def check_told_apart(rollouts: list[dict[str, Any]]) -> None:
    """In some group the judge's scores differ: they, too, moved the update."""
    scores: dict[tuple[int, int], set[float]] = {}
    for row in (row for row in rollouts if row["verdict"] is not None):
        scores.setdefault((row["step"], row["group"]), set()).add(row["verdict"]["prefix_score"])
    assert any(len(told) > 1 for told in scores.values())


def check_guided(loaded: LoadedRecipe, told: list[dict[str, Any]], rollouts: list[dict[str, Any]]) -> None:
    """Rollouts really were given tokens: the first ones of every group, as many as the fraction says."""
    given = [row for row in rollouts if row["prefix_tokens"] > 0]
    assert given and all(row["guidance"]["tokens"] for row in told)
    assert {row["sample"] for row in given} == set(range(guided_count(loaded.recipe.guidance.fraction, 4)))
    assert len(given) == sum(row["groups"]["guided"] for row in told) * len({row["sample"] for row in given})
    assert all(0 < row["prefix_end"] <= len(row["response"]) for row in given)


USED_JUDGES = {r.recipe.judge.card for r in LOADED.values() if r.recipe.judge is not None}
OTHER_JUDGES = sorted({card.name for card in list_cards("judges")} - USED_JUDGES)
USED_EVALS = {use.card for r in LOADED.values() for use in r.recipe.benchmarks}
OTHER_EVALS = sorted({card.name for card in list_cards("evals")} - USED_EVALS)


@pytest.mark.parametrize("card", OTHER_JUDGES)
def test_a_judge_that_no_recipe_names_runs_in_one(card: str, place: Path) -> None:
    name = f"judge_{card}"
    smoke("tiny_sgpo", f"name={name}", f"judge.card={card}", "judge.floor=null")
    judged = json.loads((place / "runs" / f"{name}-smoke/stages/judge/judge.json").read_text())
    assert (judged["card"], judged["rows"]) == (card, 16)
    told = rows(place / "runs" / f"{name}-smoke/stages/train/metrics.jsonl")
    assert any(row["grad_norm"] > 0 for row in told), "rules that find nothing to read in random text included"


def test_an_eval_card_that_no_recipe_names_runs_in_one(place: Path) -> None:
    """Those that measure judges are no benchmark of a policy; the next test runs them."""
    skip_without_sandbox()
    cards = [card for card in OTHER_EVALS if load_eval_card(card).grade.kind != "steps"]
    listed = ", ".join(f"{{card: {card}}}" for card in cards)
    smoke("qwen3_0p6b_g2rpoa_math", "name=evals", f"benchmarks=[{listed}]")
    for card in cards:
        summary = json.loads((place / "runs/evals-smoke/stages/eval" / card / "summary.json").read_text())
        assert summary["n_problems"] == 4 and summary["ungraded"] == 0


def test_an_eval_card_of_judges_runs(place: Path) -> None:
    cards = [card.name for card in list_cards("evals") if load_eval_card(card.name).grade.kind == "steps"]
    assert cards == ["processbench"]
    told = [{"id": f"{n}", "problem": f"{n} + 1?", "steps": [f"{n} + 1 = {n + 2}.", "So."], "label": 0} for n in (2, 3)]
    (place / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    asked = ["eval", "--bench", "processbench", "--judge", "arithmetic", "--file", "labelled.jsonl", "--out", "judged"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(done.stdout)["parts"]["labelled"]["acc_error"] == 1.0


@pytest.mark.parametrize("name", ["qwen3_0p6b_g2rpoa_code", "qwen3_1p7b_sgpo_g2rpoa", "qwen3_1p7b_sgpo_lora"])
def test_one_of_each_family_in_child_processes(name: str, place: Path) -> None:
    """SGPO's is README's own line, tiny ones are in tests/cli; warm start, evaluation and report are run there."""
    assert "$ sgpo train recipes/qwen7b_sgpo.yaml --smoke" in (REPOSITORY / "README.md").read_text()
    if needs_sandbox(LOADED[name]):
        skip_without_sandbox()
    smoke(name, f"name=child_{name}", "--until", "warmup")  # shared with the run above
    done = sgpo("train", name, f"name=child_{name}", "--smoke", "--until", "train", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["step"] for row in rows(place / f"runs/child_{name}-smoke/stages/train/metrics.jsonl")] == [1, 2]
