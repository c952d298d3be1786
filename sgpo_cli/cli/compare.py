"""`sgpo compare RUN RUN...`: runs side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError


def compare(
    runs: Annotated[list[str], typer.Argument(help="Two runs or more.", metavar="RUN RUN...")], as_json: Json = False
) -> None:
    """Put runs side by side: settings, results, intervals.

    Shows what differs in their recipes, what they reached, and whether the intervals overlap.
    """
    from sgpo_cli.display.compare import compare_json, compare_table
    from sgpo_cli.display.console import Screen
    from sgpo_cli.runs.rundir import find_run

    if len(runs) < 2:
        raise UserError("compare takes two runs or more", fix=f"sgpo compare {runs[0]} OTHER")
    screen = Screen.open(as_json=as_json)
    found = [find_run(run) for run in runs]
    screen.show(compare_table(found), compare_json(found))
