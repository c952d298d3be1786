"""`sgpo train RECIPE`: compile the recipe into stages and run them; resumes by itself."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sgpo_cli.cli.options import Json, Overrides, RecipeArgument
from sgpo_cli.errors import RunFailed

if TYPE_CHECKING:
    from sgpo_cli.display.console import Screen
    from sgpo_cli.pipeline.plan import Plan


def train(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Every stage on tiny random weights, as <name>-smoke.")
    ] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Two steps at the largest sizes, as <name>-rehearsal: does it fit?")
    ] = False,
    until: Annotated[str | None, typer.Option("--until", help="Stop after this stage.", metavar="STAGE")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what this run has and start over.")] = False,
    as_json: Json = False,
) -> None:
    """Run a recipe: warmup, judge, train, eval, report. The same command goes on where it was stopped."""
    from sgpo_cli.display.console import Screen, show_mistakes
    from sgpo_cli.display.live import RunDisplay
    from sgpo_cli.pipeline.judge_cost import check_keys
    from sgpo_cli.pipeline.machines import place_of
    from sgpo_cli.pipeline.plan import as_json as plan_json
    from sgpo_cli.pipeline.plan import compile_recipe
    from sgpo_cli.pipeline.preflight import check_engine, check_local_data, check_targets
    from sgpo_cli.pipeline.run import run_plan
    from sgpo_cli.recipe.load import load_recipe
    from sgpo_cli.runs import stops

    screen = Screen.open(as_json=as_json)
    loaded = load_recipe(recipe, overrides or [])
    show_mistakes(loaded.warnings, screen.err)
    check_targets(loaded.recipe)
    if smoke:
        from sgpo_cli.pipeline.smoke import shrink

        loaded, changes = shrink(loaded)
        screen.say(f"smoke run {loaded.recipe.name}: it shows that every stage runs; its numbers mean nothing")
        for change in changes:
            screen.say(f"  {change}")
    if rehearse:
        from sgpo_cli.pipeline.rehearse import rehearsal

        loaded, changes = rehearsal(loaded)
        screen.say(f"rehearsal {loaded.recipe.name}: the largest batch first")
        for change in changes:
            screen.say(f"  {change}")
        until, restart = "train", True
    check_engine(loaded.recipe)
    check_keys(loaded.recipe)
    check_local_data(loaded.recipe)
    plan = compile_recipe(loaded)
    stops.install()
    command = _command(recipe, overrides or [], smoke=smoke, until=until)
    document = plan_json(plan)
    try:
        with RunDisplay(screen.out, document["stages"]) as display:
            run_plan(plan, on_event=display.handle, say=display.say, until=until, restart=restart, command=command)
    except RunFailed as problem:
        if not rehearse:
            raise
        from sgpo_cli.pipeline.rehearse import ran_out

        raise ran_out(problem, loaded.recipe, [stage.kind for stage in plan.stages]) from problem
    if rehearse:
        _show_peak(screen, plan, document)
    elif place_of(loaded.recipe.launch).first:
        _show_result(screen, plan, until)
    else:
        screen.say("this machine's share of stage train is done; the first machine goes on")


def _show_peak(screen: Screen, plan: Plan, document: dict[str, Any]) -> None:
    """What the rehearsal's largest process held, beside the plan's estimate."""
    from sgpo_cli.pipeline.rehearse import peak_words
    from sgpo_cli.runs.files import read_json

    train = plan.run.stage("train")
    peak = read_json(train.done)["outputs"]["peak_gib"]
    [estimate] = [stage["estimate"] for stage in document["stages"] if stage["kind"] == "train"]
    told = {"run": str(plan.run.path), "peak_gib": peak, "planned_gib": estimate.get("memory_gib")}
    screen.show(Text(peak_words(estimate, peak)), told)


def _command(recipe: str, overrides: list[str], *, smoke: bool, until: str | None) -> str:
    """The line that goes on: what was typed, less --restart."""
    flags = [*(["--smoke"] if smoke else []), *(["--until", until] if until else [])]
    return shlex.join(["sgpo", "train", recipe, *overrides, *flags])


def _show_result(screen: Screen, plan: Plan, until: str | None) -> None:
    from sgpo_cli.display.tables import result_json, result_table

    screen.show(result_table(plan.run), result_json(plan.run))
    if plan.run.report.exists() and until is None:
        screen.say(f"report: {plan.run.report}")
