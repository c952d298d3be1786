"""`sgpo plan RECIPE`: the same compile, nothing run."""

from __future__ import annotations

from typing import Annotated

import typer

from sgpo_cli.cli.options import Json, Overrides, RecipeArgument


def show_plan(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the judge's servers whether they serve its model.")
    ] = False,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Print a Slurm script for the recipe, and nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a recipe would do and cost; nothing is run.

    Its stages with estimates of time and memory, the rendered prompt, and, with guidance, one group of it.
    """
    from dataclasses import asdict

    from sgpo_cli.display.console import Screen, show_mistakes
    from sgpo_cli.display.plan import plan_table
    from sgpo_cli.pipeline.conflict import conflict_with_run
    from sgpo_cli.pipeline.cost.fit import too_large
    from sgpo_cli.pipeline.disk_room import disk_warning
    from sgpo_cli.pipeline.guided import guided_group
    from sgpo_cli.pipeline.judge_cost import judge_warnings
    from sgpo_cli.pipeline.plan import as_json as plan_json
    from sgpo_cli.pipeline.plan import compile_recipe
    from sgpo_cli.pipeline.preflight import PLAN_BYTES, check_local_data, check_targets, not_here
    from sgpo_cli.pipeline.preview import begins_twice, first_row, preview
    from sgpo_cli.pipeline.slurm import slurm_script
    from sgpo_cli.recipe.load import load_recipe
    from sgpo_cli.recipe.only_judge import only_judge

    screen = Screen.open(as_json=as_json)
    loaded = load_recipe(recipe, overrides or [])
    check_targets(loaded.recipe)
    odd = check_local_data(loaded.recipe, at_most=PLAN_BYTES)
    plan = compile_recipe(loaded)
    document = plan_json(plan)
    found = [conflict_with_run(plan), *odd, *not_here(loaded.recipe)]
    found += [*too_large(loaded.recipe, [stage.kind for stage in plan.stages]), disk_warning(plan)]
    found += judge_warnings(loaded.recipe, online=online)
    line = ["sgpo", "train", recipe, *(overrides or [])]
    document["slurm"] = slurm_script(loaded.recipe, document["stages"], line) if slurm else None
    if slurm and not as_json:
        # The script goes to a file or to sbatch; what is wrong with it to the person.
        show_mistakes([*plan.warnings, *(one for one in found if one is not None)], screen.err)
        screen.out.print(document["slurm"], markup=False, highlight=False, soft_wrap=True, end="")
        return
    document["prompt"] = document["guidance"] = None
    if not only_judge(loaded.recipe):
        row = first_row(loaded.recipe)
        document["prompt"] = prompt = preview(loaded.recipe, row)
        document["guidance"] = guided_group(loaded.recipe, row, prompt["text"])
        found.append(begins_twice(loaded.recipe, row))
    document["warnings"] += [asdict(mistake) for mistake in found if mistake is not None]
    screen.show(plan_table(document), document)
