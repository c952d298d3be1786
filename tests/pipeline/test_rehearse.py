"""A rehearsal: the longest problems first, answers at full length, nothing paid for, nothing left to resume from."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.pipeline.cost.estimate import estimate
from sgpo_cli.pipeline.rehearse import peak_words, ran_out, rehearsal
from sgpo_cli.recipe.load import load_recipe
from tests.tiny import SHORT_SGPO, rows, sgpo_here


def test_what_is_rehearsed_is_the_recipe_at_its_largest() -> None:
    loaded = load_recipe("qwen7b_sgpo", ["judge.card=qwq_32b", "generation.engine=transformers"])
    made, changes = rehearsal(loaded)
    real, told = loaded.recipe, made.recipe
    assert told.name == "qwen7b_sgpo-rehearsal" and told.data.order == "longest" and told.trainer.steps == 2
    for same in ("prompts_per_step", "group_size", "updates_per_step", "micro_batch", "max_completion_length"):
        assert getattr(told.trainer, same) == getattr(real.trainer, same)
    assert told.trainer.trl["generation_kwargs"] == {"min_new_tokens": 3072}
    assert told.model == real.model and told.launch == real.launch
    assert told.judge is not None and told.judge.endpoints is not None and "stand-in" in " ".join(changes)
    vllm, _ = rehearsal(load_recipe("qwen7b_sgpo", ["generation.engine=vllm"]))
    assert vllm.recipe.trainer.trl["generation_kwargs"] == {"min_tokens": 3072}


def test_nobody_labels_for_a_rehearsal(here: Path) -> None:
    """A judge that is to be trained by a paid teacher learns from synthetic labels here."""
    train = "judge.train={label_with: qwq_32b, rollouts: 2000, refresh_every: 25}"
    made, changes = rehearsal(load_recipe("tiny_sgpo", ["judge.card=learned", train, "judge.floor=null"]))
    judge = made.recipe.judge
    assert judge is not None and judge.train is not None and judge.train.labels is not None
    assert Path(judge.train.labels).exists() and judge.train.refresh_every is None
    assert any("synthetic labels" in change for change in changes)


@pytest.mark.parametrize("name", ["tiny_sgpo_offline", "qwen7b_sgpo_offline"])
def test_what_generates_nothing_is_not_rehearsed(name: str) -> None:
    with pytest.raises(UserError, match="generates nothing in training"):
        rehearsal(load_recipe(name))


def test_out_of_memory_says_what_to_try() -> None:
    sizes = ["launch.device=h100-80gb", "generation.engine=transformers", "trainer.micro_batch=8"]
    recipe = load_recipe("qwen7b_sgpo", sizes).recipe
    told = ran_out(RunFailed("out of memory: tried to allocate 5 GiB"), recipe, ["train"])
    assert told.fix is not None and told.fix.startswith("try: ")
    smaller = load_recipe("qwen7b_sgpo", [*sizes, *shlex.split(told.fix.removeprefix("try: "))]).recipe
    assert estimate(smaller, "train")["memory_gib"] < estimate(recipe, "train")["memory_gib"]
    other = RunFailed("the loss is nan", fix="lower it")
    assert ran_out(other, recipe, ["train"]) is other


def test_the_peak_stands_beside_the_plans() -> None:
    estimate = {"memory_gib": 61.0, "memory": {"has_gib": 79.6}}
    assert peak_words(estimate, 58.25) == (
        "peak memory of a process in training: 58.2 GiB, planned 61.0, of 79.6 there are"
    )


def test_a_rehearsal_runs_and_a_real_run_knows_nothing_of_it(tmp_path: Path) -> None:
    done = sgpo_here("train", "tiny_sgpo", *SHORT_SGPO, "--rehearse", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["peak_gib"] > 0.2 and told["planned_gib"] > 0.2
    stage = tmp_path / "runs/tiny_sgpo-rehearsal/stages/train"
    rollouts = rows(stage / "rollouts.jsonl")
    assert len(rollouts) == 2 * 16 and all(row["truncated"] for row in rollouts), "every answer at full length"
    assert not (tmp_path / "runs/tiny_sgpo").exists()
