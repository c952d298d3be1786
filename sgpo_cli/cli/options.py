"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

RecipeArgument = Annotated[str, typer.Argument(help="Recipe: a path, or the name of one in ./recipes or shipped.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings that win over the recipe: trainer.steps=10", metavar="[key=value]..."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, all else on stderr.")]
Run = Annotated[str, typer.Argument(help="Run: its name under ./runs, or its directory.")]
