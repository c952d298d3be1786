"""`sgpo export [RUN]`: a folder for the hub, with a model card made from the run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError


def export(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Run: its name or directory; the newest finished if omitted.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The folder to write; default RUN/export.")] = None,
    policy: Annotated[
        Literal["final", "best", "last"] | None,
        typer.Option("--policy", help="final (default), best on held-out problems, or the last checkpoint's."),
    ] = None,
    adapter: Annotated[bool, typer.Option("--adapter", help="Only the adapters, in peft's format.")] = False,
    push: Annotated[str | None, typer.Option("--push", help="Also upload it to this hub repository.")] = None,
    private: Annotated[bool, typer.Option("--private", help="With --push: a private repository.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    as_json: Json = False,
) -> None:
    """Write a folder for the hub: weights, tokenizer, model card, recipe."""
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.words import compact
    from sgpo_cli.pipeline.export.folder import export_run
    from sgpo_cli.runs.rundir import find_run, newest_finished

    screen = Screen.open(as_json=as_json)
    if private and push is None:
        raise UserError("--private goes with --push", fix="add --push OWNER/NAME")
    found = find_run(run) if run is not None else newest_finished()
    if found is None:
        raise UserError("no RUN given, and no finished run under ./runs", fix="sgpo train RECIPE, or name a run")
    if run is None:
        screen.say(f"run: {found.name}, the newest finished one")
    api = None
    if push is not None:
        from sgpo_cli.pipeline.export.push import check_push

        api = check_push(push, private=private)
    target = out if out is not None else found.path / "export"
    made = export_run(found, target, which=policy, adapter=adapter, overwrite=overwrite)
    address = None
    if push is not None:
        from sgpo_cli.pipeline.export.push import push as upload

        address = upload(api, target, push, private=private, message=f"sgpo export of run {found.name}")
    what = "adapters" if adapter else "policy"
    step = f" of step {made.step}" if made.step is not None else ""
    lines = [f"exported: {target} ({made.which} {what}{step}, {len(made.files)} files, {compact(made.bytes)}B)"]
    lines += [f"note: {note}" for note in made.notes]
    lines += [f"pushed: {address}"] if address else []
    from rich.text import Text

    screen.show(Text("\n".join(lines)), {**made.to_json(), "pushed": address})
