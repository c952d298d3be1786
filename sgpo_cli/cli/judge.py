"""`sgpo judge [IN] --out OUT --judge NAME`: offline step labelling of responses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import Interrupted, UserError

if TYPE_CHECKING:
    from sgpo_cli.display.console import Screen
    from sgpo_cli.recipe.schema import HopsTask
    from sgpo_cli.runs.rundir import RunDir


def judge(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[IN]", help="JSONL of `problem` and `steps` or `response`; or a run's rollouts."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the labelled rows go.")] = ...,  # type: ignore[assignment]
    judge_name: Annotated[str, typer.Option("--judge", help="Judge card: a name (sgpo list judges) or a path.")] = ...,  # type: ignore[assignment]
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an OUT made from something else.")] = False,
    shard: Annotated[str, typer.Option("--shard", help="Only every n-th row, from the i-th: 0/8 ... 7/8.")] = "0/1",
    examples: Annotated[int, typer.Option("--show", min=0, help="Print so many labelled rows, coloured.")] = 0,
    as_json: Json = False,
) -> None:
    """Find the first wrong step of each response. Killed at any moment, the same command goes on."""
    from dataclasses import asdict

    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.live import progress
    from sgpo_cli.display.tables import judge_table
    from sgpo_cli.display.words import plural
    from sgpo_cli.judging.label import Progress, label_file
    from sgpo_cli.pipeline.fingerprint import content_hash, fingerprint
    from sgpo_cli.recipe.cards import find_card
    from sgpo_cli.recipe.schema import HopsTask
    from sgpo_cli.runs import stops
    from sgpo_cli.stages.judging import open_judge

    screen = Screen.open(as_json=as_json)
    rows, task = _input(source, screen)
    known = task or HopsTask()
    if out.is_dir():
        raise UserError(f"--out {out} is a directory", fix="name a file: --out labels.jsonl")
    card = find_card("judges", judge_name)
    stops.install()
    with progress("judging", None, screen.out, unit="rows") as bar:

        def tell(now: Progress) -> None:
            bar.update(
                now.done, total=now.total, abstained=now.abstained, wrong=now.done - now.no_error - now.abstained
            )
            stops.raise_if_asked("stopped; the labels so far are kept")

        try:
            summary = label_file(
                rows,
                out,
                open_judge(judge_name, task=known),
                fingerprint=fingerprint("judge", {"card": content_hash(card), "task": asdict(known)}, {}),
                overwrite=overwrite,
                shard=_shard(shard),
                on_progress=tell,
            )
        except Interrupted as stop:
            raise Interrupted(stop.what, code=stop.exit_code, fix="the same command goes on") from stop
    table = judge_table(summary.to_json(), title=f"{judge_name} on {rows}")
    screen.show(table, summary.to_json())
    if summary.complete:
        screen.say("complete already: same input, same judge; nothing was done")
    counts = f"{plural(summary.total, 'row')}, {summary.no_error} without an error found, {summary.abstained} abstained"
    screen.say(f"labelled: {out} ({counts})")
    if examples:
        _show(out, examples, screen)


def _input(source: str | None, screen: Screen) -> tuple[Path, HopsTask | None]:
    """The rows to label, and the settings of task hops when they come from a run (by name, directory or file in it)."""
    from sgpo_cli.runs.rundir import RunDir, list_runs, runs_root

    if source is not None:
        path = Path(source)
        for folder in (path, runs_root() / source):
            if (folder / "recipe.yaml").is_file():
                return RunDir(folder).stage("train").rollouts, _task_of(RunDir(folder), screen)
        above = next((p for p in path.absolute().parents if (p / "recipe.yaml").is_file()), None)
        return path, None if above is None else _task_of(RunDir(above), screen)
    for run in reversed(list_runs()):
        rollouts = run.stage("train").rollouts
        if rollouts.exists():
            screen.say(f"no IN given: the rollouts of run {run.name} ({rollouts})")
            return rollouts, _task_of(run, screen)
    raise UserError(
        "no IN given, and no run under ./runs has rollouts",
        fix="sgpo judge FILE.jsonl --out OUT --judge NAME, or train first: sgpo train tiny_sgpo",
    )


def _task_of(run: RunDir, screen: Screen) -> HopsTask:
    from sgpo_cli.recipe.load import load_recipe

    data = load_recipe(run.recipe, check=False).recipe.data
    if data.source == "hops":
        screen.say(f"settings of task hops: those of run {run.name}")
    return data.hops


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not slash or not index.isdecimal() or not count.isdecimal() or int(index) >= int(count):
        raise UserError(f"--shard {text}: not a shard", fix="write i/n with 0 <= i < n, for example --shard 0/8")
    return int(index), int(count)


def _show(out: Path, examples: int, screen: Screen) -> None:
    """The first labelled rows in which something was found wrong, then others."""
    from itertools import islice

    from sgpo_cli.display.steps import legend_text, render_steps
    from sgpo_cli.display.words import visible
    from sgpo_cli.runs.files import read_jsonl

    rows = list(islice(read_jsonl(out), 1000))
    rows.sort(key=lambda row: row["verdict"]["first_error"] in (None, -1))
    screen.out.print(legend_text(rows[:examples]))
    for row in rows[:examples]:
        ends, at = [], 0
        for step in row["steps"]:
            at += len(step) + 1
            ends.append(at)
        screen.out.print(f"\n{row.get('id', '')}  {visible(row['problem'][:200])}")
        screen.out.print(render_steps({**row, "response": "\n".join(row["steps"]) + "\n", "step_ends": ends}))
