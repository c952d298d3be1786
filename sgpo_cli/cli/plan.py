"""`sgpo plan RECIPE`: the same compile, nothing run."""

from __future__ import annotations

from sgpo_cli.cli.options import Json, Overrides, RecipeArgument


def plan(recipe: RecipeArgument, overrides: Overrides = None, as_json: Json = False) -> None:
    """Show what a recipe would do: stages, cost and memory estimate, the rendered prompt. Nothing is run."""
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.tables import plan_table
    from sgpo_cli.pipeline.plan import as_json as plan_json
    from sgpo_cli.pipeline.plan import compile_recipe
    from sgpo_cli.pipeline.preview import preview
    from sgpo_cli.recipe.load import load_recipe

    screen = Screen.open(as_json=as_json)
    loaded = load_recipe(recipe, overrides or [])
    document = plan_json(compile_recipe(loaded))
    document["prompt"] = preview(loaded.recipe)
    screen.show(plan_table(document), document)
