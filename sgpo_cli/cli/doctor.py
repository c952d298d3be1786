"""`sgpo doctor [RECIPE]`: what works here, and what to do about the rest."""

from __future__ import annotations

from typing import Annotated

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError


def doctor(
    recipe: Annotated[str | None, typer.Argument(help="A recipe to look at as well: what it needs.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A model to look at: template, BOS, what ends an answer.")
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Ask the hub and the judge's servers, too.")] = False,
    as_json: Json = False,
) -> None:
    """Check this machine: Python, versions, torch, memory, disk, sandbox; and what a recipe or model needs."""
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.doctor import doctor_table
    from sgpo_cli.pipeline.doctor import as_json as document_of
    from sgpo_cli.pipeline.doctor import examine
    from sgpo_cli.pipeline.doctor.finding import Finding
    from sgpo_cli.recipe.load import load_recipe

    if model is not None and recipe is not None:
        raise UserError("either a recipe or --model: a recipe names its own", fix="sgpo doctor --model PATH")
    screen = Screen.open(as_json=as_json)
    loaded = load_recipe(recipe) if recipe is not None else None
    found: list[Finding] = []
    with screen.err.status("looking") as status:
        for finding in examine(loaded, path=model, online=online, say=status.update):
            found.append(finding)
    document = document_of(found)
    screen.show(doctor_table(document), document)
    if not document["ok"]:
        raise typer.Exit(1)
