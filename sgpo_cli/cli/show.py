"""`sgpo show RUN --step N`: the rollouts of a step, with their steps coloured as judged."""

from __future__ import annotations

from typing import Annotated

import typer

from sgpo_cli.cli.options import Json, Run


def show(
    run: Run,
    step: Annotated[int, typer.Option("--step", help="Step whose rollouts to show.")],
    group: Annotated[int | None, typer.Option("--group", help="Only this group.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every group of the step.")] = False,
    as_json: Json = False,
) -> None:
    """Show the rollouts of a training step, as they were judged.

    Right reasoning steps are green, the first wrong one red, what follows dim, what guidance injected magenta.
    """
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.show import render_document, step_json
    from sgpo_cli.runs.rundir import find_run

    screen = Screen.open(as_json=as_json)
    document = step_json(find_run(run), step, group)
    screen.show(render_document(document, limit=None) if everything else render_document(document), document)
