"""`--rehearse`: the recipe's own sizes at their largest, in its first minute, before anything is paid for.

Two steps of the real model on the longest problems with answers at full length, so that a batch that does not fit fails
at once and not in step 120. Weights are as they are before any warm-up; no server is asked, nothing is measured.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.pipeline.cost.fit import next_smaller, smallest_changes
from sgpo_cli.pipeline.judge_cost import language_models
from sgpo_cli.pipeline.smoke_rows import train_briefly
from sgpo_cli.recipe.address import STANDIN
from sgpo_cli.recipe.load import LoadedRecipe, from_dict, to_dict
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.rundir import runs_root

REHEARSAL = "-rehearsal"
STEPS = 2
"""The second step has the optimizer's state beside its batch."""


def rehearsal(loaded: LoadedRecipe) -> tuple[LoadedRecipe, list[str]]:
    """The recipe as it is rehearsed, and what differs from the real run, one sentence each."""
    recipe, told = loaded.recipe, copy.deepcopy(loaded.resolved)
    if only_judge(recipe) or recipe.offline is not None:
        alone = only_judge(recipe)
        what = "a judge alone trains no policy" if alone else "an offline recipe generates nothing in training"
        raise UserError(f"--rehearse: {what}", fix="--smoke shows that every stage runs")
    told["name"] = recipe.name + REHEARSAL
    told["benchmarks"], told["track"] = [], []
    told["warmup"] = {"kind": "none"}
    told["data"].update(order="longest", heldout=0)
    told["trainer"].update(steps=STEPS, eval_every=0, save_every=STEPS, keep=1)
    longest = recipe.trainer.max_completion_length
    key = "min_new_tokens" if recipe.generation.engine == "transformers" else "min_tokens"
    given = recipe.trainer.trl.get("generation_kwargs") or {}
    told["trainer"]["trl"] = {**recipe.trainer.trl, "generation_kwargs": {**given, key: longest}}
    changes = [
        f"{STEPS} steps on the longest problems, every answer {longest:,} tokens",
        "no warm-up, no held-out problems, no benchmarks, no trackers: weights are as they are before training",
    ]
    if told["judge"] is not None:
        told["judge"].update(measure=8, floor=None, max_abstained=1.0, compare_with=None, store=None)
        changes.append("the judge reads 8 rollouts before training, without a floor")
        if told["judge"]["train"] is not None:
            told["judge"]["train"]["refresh_every"] = None
            changes += train_briefly(
                told["judge"]["train"], runs_root().absolute() / ".shared" / "rehearsal" / f"{recipe.name}-labels.jsonl"
            )
        if language_models(recipe):
            told["judge"]["endpoints"] = [STANDIN]
            changes.append("the judge's servers: a stand-in on this machine, so that nothing is paid")
    made = from_dict(Recipe, told)
    return replace(loaded, recipe=made, resolved=to_dict(made)), changes


def ran_out(problem: RunFailed, recipe: Recipe, kinds: list[str]) -> RunFailed:
    """The failure of a rehearsal, with what to try where it was memory."""
    if "out of memory" not in problem.what:
        return problem
    less = smallest_changes(recipe, kinds) or next_smaller(recipe, kinds)
    if less is None:
        return problem
    return RunFailed(problem.what, where=problem.where, fix="try: " + " ".join(less))


def peak_words(estimate: Mapping[str, Any], peak_gib: float | None) -> str:
    """The measured peak beside the plan's."""
    planned = estimate.get("memory_gib")
    has = (estimate.get("memory") or {}).get("has_gib")
    said = "not known" if peak_gib is None else f"{peak_gib:.1f} GiB"
    beside = "" if planned is None else f", planned {planned:.1f}"
    return f"peak memory of a process in training: {said}{beside}" + (f", of {has:.1f} there are" if has else "")
