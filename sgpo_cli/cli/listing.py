"""`sgpo list [recipes|judges|evals|runs]`: what can be named here."""

from __future__ import annotations

from typing import Annotated

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.find import Kind

CARDS: tuple[Kind, ...] = ("recipes", "judges", "evals")
KINDS = (*CARDS, "runs")


def list_cards(
    kind: Annotated[str | None, typer.Argument(help="recipes, judges, evals or runs; without it all.")] = None,
    as_json: Json = False,
) -> None:
    """List the recipes, judges, benchmarks and runs found here."""
    from rich.console import Group, RenderableType

    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.runs import runs_json, runs_table
    from sgpo_cli.display.tables import cards_table
    from sgpo_cli.recipe.find import list_cards as cards_of
    from sgpo_cli.runs.rundir import list_runs

    if kind is not None and kind not in KINDS:
        raise UserError(f"there is no list of {kind!r}", fix=f"one of: {', '.join(KINDS)}")
    screen = Screen.open(as_json=as_json)
    wanted = KINDS if kind is None else (kind,)
    cards = {
        name: [{"name": c.name, "path": str(c.path), "description": c.description} for c in cards_of(name)]
        for name in CARDS
        if name in wanted
    }
    document: dict[str, object] = {str(name): found for name, found in cards.items()}
    tables: list[RenderableType] = [cards_table(found, kind=name) for name, found in cards.items()]
    if "runs" in wanted:
        document["runs"] = runs_json(list_runs())
        tables.append(runs_table(list_runs()))
    screen.show(Group(*tables), document)
