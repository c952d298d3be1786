"""The problems: prompt, columns, held-out share, and what the built-in task asks of its settings."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import Columns


@reads("data.prompt")
def prompt_holds_the_problem(view: View) -> None:
    if "{problem}" not in view.recipe.data.prompt:
        view.error("data.prompt", "data.prompt does not hold {problem}", "write {problem} where the problem belongs")


@reads("data.order", "data.columns.difficulty", "data.source")
def curriculum_needs_difficulty(view: View) -> None:
    data = view.recipe.data  # task hops knows how hard its problems are
    if data.order == "curriculum" and data.source != "hops" and data.columns.difficulty is None:
        fix = "name the column: data.columns.difficulty"
        view.error("data.order", "data.order curriculum needs a difficulty column", fix)


@reads("data.order", "data.source")
def hops_has_a_difficulty_of_its_own(view: View) -> None:
    data = view.recipe.data
    if data.order == "curriculum" and data.source == "hops":
        what = "data.order curriculum on task hops reads no column: it goes by a problem's misconceived facts"
        view.warn("data.order", what, "write data.order: shuffled for fresh problems in the order they are drawn")


@reads("data.source", "data.columns", "data.max_problem_tokens")
def hops_reads_no_columns(view: View) -> None:
    data = view.recipe.data
    if data.source != "hops":
        return
    plain = Columns()
    idle = [f.name for f in fields(plain) if getattr(data.columns, f.name) != getattr(plain, f.name)]
    keys = [f"data.columns.{name}" for name in idle]
    if data.max_problem_tokens is not None:
        keys.append("data.max_problem_tokens")
    for key in keys:
        view.warn(key, f"{key} does nothing: task hops makes its own problems, all of one length")


@reads("warmup", "data.source", "data.columns.solution")
def sft_needs_solutions(view: View) -> None:
    recipe = view.recipe
    if recipe.warmup.kind == "sft" and recipe.data.source != "hops" and recipe.data.columns.solution is None:
        fix = "name the column: data.columns.solution; or write warmup: {kind: none}"
        view.error("warmup.kind", "warmup sft learns from solutions, and data.columns.solution is null", fix)


@reads("warmup")
def sft_reaches_its_peak(view: View) -> None:
    warmup = view.recipe.warmup
    if warmup.kind == "sft" and warmup.warmup_steps >= warmup.steps:
        what = f"the rate rises for {warmup.warmup_steps} steps of {warmup.steps}: it never stays at its peak"
        view.warn(view.blame("warmup.warmup_steps", "warmup.steps"), what, "lower warmup.warmup_steps")


@reads("data.heldout", "data.limit", "data.source")
def heldout_leaves_rows(view: View) -> None:
    data = view.recipe.data
    if data.source != "hops" and data.limit is not None and data.heldout >= data.limit:
        what = f"data.heldout {data.heldout} leaves nothing to train on of data.limit {data.limit}"
        view.error(view.blame("data.heldout", "data.limit"), what)


@reads("data.heldout", "trainer.eval_every")
def eval_needs_heldout(view: View) -> None:
    if only_judge(view.recipe):
        return
    every = view.recipe.trainer.eval_every
    if view.recipe.data.heldout == 0 and every > 0:
        what = f"trainer.eval_every {every} measures nothing: data.heldout is 0"
        fix = "write data.heldout: 128, or trainer.eval_every: 0"
        view.warn(view.blame("trainer.eval_every", "data.heldout"), what, fix)


@reads("data.source", "data.config", "data.revision")
def hub_settings_need_the_hub(view: View) -> None:
    data = view.recipe.data
    local = Path(data.source)  # absolute by now, unless it is a hub id
    if data.source != "hops" and not (local.is_absolute() and local.is_file()):
        return
    for key, value in (("config", data.config), ("revision", data.revision)):
        if value is not None:
            view.warn(f"data.{key}", f"data.{key} is of the hub, and this data is not from there: it does nothing")


@reads("data.source", "data.hops")
def distractors_are_other_entities(view: View) -> None:
    task = view.recipe.data.hops
    most = task.entities - 1
    if view.recipe.data.source == "hops" and task.misconceptions.distractors > most:
        at = "data.hops.misconceptions.distractors"
        blamed = view.blame(at, "data.hops.entities")
        view.error(blamed, f"{at} must be at most {most}, one less than data.hops.entities")


@reads("data.source", "data.prompt", "model.scratch")
def hops_has_its_own_words(view: View) -> None:
    recipe = view.recipe
    if recipe.data.source == "hops" and recipe.model.scratch is not None and recipe.data.prompt.strip() != "{problem}":
        what = "the model built for task hops knows the task's words only: the rest of data.prompt is unknown to it"
        view.warn("data.prompt", what, 'write data.prompt: "{problem}"')
