"""`sgpo judge [IN] --out OUT --judge NAME`: offline step labelling of responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import Interrupted, UserError

if TYPE_CHECKING:
    from sgpo_cli.cli.judge_input import Opener, Source
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.live import progress
    from sgpo_cli.judging.labelling.columns import LabelColumns
    from sgpo_cli.judging.labelling.counts import LabelSummary, Progress
    from sgpo_cli.judging.labelling.label import Output


def judge(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IN]",
            help="JSONL, parquet, a folder of `datasets` or a hub id, with `problem` and `steps` or `response`; a "
            "run; with --merge, the shards.",
        ),
    ] = None,
    out: Annotated[
        str,
        typer.Option("--out", help="Where the labelled rows go: NAME.jsonl, NAME.parquet, or NAME/ for `datasets`."),
    ] = ...,  # type: ignore[assignment]
    judge_name: Annotated[
        str | None, typer.Option("--judge", help="Judge card: a name (sgpo list judges) or a path.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an OUT made from something else.")] = False,
    schema: Annotated[
        Literal["rows", "stepwise"],
        typer.Option("--schema", help="Whole rows, or prompt, completions, labels for training process reward models."),
    ] = "rows",
    columns: Annotated[
        str | None, typer.Option("--columns", help="Your columns' names: problem=question,steps=completions.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split of a data set (default: train).")] = None,
    config: Annotated[str | None, typer.Option("--config", help="Configuration of a hub's data set.")] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch, tag or commit of a hub's data set.")
    ] = None,
    shard: Annotated[str, typer.Option("--shard", help="Only every n-th row, from the i-th: 0/8 ... 7/8.")] = "0/1",
    merge: Annotated[bool, typer.Option("--merge", help="Put finished shards, all of them, together again.")] = False,
    endpoint: Annotated[
        list[str] | None, typer.Option("--endpoint", help="Server of a language model, instead of the card's; repeat.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="File of kept verdicts, or none (default: one under ./runs for all).")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="This process, or a Ray cluster.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes on the Ray cluster (default: its cores).")
    ] = None,
    examples: Annotated[int, typer.Option("--show", min=0, help="Print so many labelled rows, coloured.")] = 0,
    as_json: Json = False,
) -> None:
    """Find the first wrong step of each response. Killed at any moment, the same command goes on."""
    from sgpo_cli.cli.judge_input import Opener, Source, check_use, find_input
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.live import progress
    from sgpo_cli.display.words import plural
    from sgpo_cli.judging.labelling.columns import LabelColumns
    from sgpo_cli.judging.labelling.label import Output
    from sgpo_cli.recipe.schema import HopsTask

    screen = Screen.open(as_json=as_json)
    output = Output.named(out, schema=schema, overwrite=overwrite)
    wanted = Source("", LabelColumns.parse(columns), split, config, revision)
    if merge:
        _refuse(
            "with --merge",
            {"--judge": judge_name, "--columns": columns, "--endpoint": endpoint, "--store": store, "--split": split}
            | {"--config": config, "--revision": revision, "--workers": workers}
            | {"--shard": shard != "0/1", "--engine": engine != "local"},
        )
        _merge(sources or [], output, examples, screen)
        return
    if judge_name is None:
        raise UserError("no judge is named", fix="--judge NAME; sgpo list judges names them")
    if len(sources or []) > 1:
        raise UserError(f"one IN, not {len(sources or [])}", fix="put files together first; shards with --merge")
    if engine == "ray":
        _refuse("with --engine ray, which divides the rows by itself", {"--shard": shard != "0/1"})
    else:
        _refuse("without --engine ray", {"--workers": workers})
    check_use(judge_name, endpoints=endpoint or [], store=store)
    name, task = find_input(sources[0] if sources else None, screen)
    source = replace(wanted, name=name)
    opened = Opener(judge_name, task or HopsTask(), tuple(endpoint or ()), store)
    with progress("judging", None, screen.out, unit="rows") as bar:
        summary = _label(source, output, opened, _shard(shard), engine, workers, _teller(bar))
    _tell(summary, output, f"{judge_name} on {name}", screen)
    if summary.counts.failed:
        again = "asks again for these only" if opened.keeps else "asks again for every row"
        failed = plural(summary.counts.failed, "verdict")
        screen.warn(f"{failed} failed", fix=f"the same command with --overwrite {again}")
    _show(output, source.columns, examples, screen)


def _label(
    source: Source,
    output: Output,
    opener: Opener,
    shard: tuple[int, int],
    engine: str,
    workers: int | None,
    on_progress: Callable[[Progress], None],
) -> LabelSummary:
    from sgpo_cli.judging.labelling.cluster import Cluster, label_with_ray
    from sgpo_cli.judging.labelling.label import label
    from sgpo_cli.runs import stops
    from sgpo_cli.stages.judging import close_judge

    stops.install()
    judge = opener.open()
    try:
        fingerprint = opener.fingerprint()
        if engine == "local":
            return label(source.open(), output, judge, fingerprint=fingerprint, shard=shard, on_progress=on_progress)
        return label_with_ray(
            source.open(),
            output,
            opener.open,
            judge=judge.name,
            fingerprint=fingerprint,
            cluster=Cluster(workers, opener.gpus()),
            on_progress=on_progress,
        )
    except Interrupted as stop:
        raise Interrupted(stop.what, code=stop.exit_code, fix="the same command goes on") from stop
    finally:
        close_judge(judge)


def _refuse(where: str, told: Mapping[str, object]) -> None:
    """`UserError` for an option that was told and means nothing there."""
    for option, value in told.items():
        if value:
            raise UserError(f"{option} means nothing {where}", fix=f"leave {option} out")


def _merge(shards: list[str], output: Output, examples: int, screen: Screen) -> None:
    from sgpo_cli.judging.labelling.merge import merge

    if not shards:
        raise UserError("no shards to merge", fix="sgpo judge --merge labels-*.jsonl --out labels.jsonl")
    summary, columns = merge([Path(shard) for shard in shards], output)
    _tell(summary, output, f"{summary.judge}, {len(shards)} shards", screen)
    _show(output, columns, examples, screen)


def _teller(bar: progress) -> Callable[[Progress], None]:
    from sgpo_cli.runs import stops

    def tell(now: Progress) -> None:
        told: dict[str, float] = {"abstained": now.abstained, "wrong": now.done - now.no_error - now.abstained}
        if now.usage is not None:
            told |= {"calls": now.usage.calls, "cached": now.usage.cached, "failed": now.usage.failed}
            told |= {} if now.usage.cost is None else {"cost": now.usage.cost}
        bar.update(now.done, total=now.total, description=None, **told)
        stops.raise_if_asked("stopped; the labels so far are kept")

    return tell


def _tell(summary: LabelSummary, output: Output, title: str, screen: Screen) -> None:
    from sgpo_cli.display.labelled import labelled_table
    from sgpo_cli.display.words import plural

    document = {**summary.to_json(), "format": output.kind, "schema": output.schema}
    screen.show(labelled_table(document, title=title), document)
    if summary.complete:
        screen.say("complete already: same input, same judge; nothing was done")
    screen.say(f"labelled: {output.path} ({plural(summary.written, 'row')})")


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not slash or not index.isdecimal() or not count.isdecimal() or int(index) >= int(count):
        raise UserError(f"--shard {text}: not a shard", fix="write i/n with 0 <= i < n, for example --shard 0/8")
    return int(index), int(count)


def _show(output: Output, columns: LabelColumns, examples: int, screen: Screen) -> None:
    """Of the first thousand labelled rows, those in which something was found wrong, then others."""
    if not examples:
        return
    from itertools import islice

    from sgpo_cli.display.steps import legend_text, render_steps
    from sgpo_cli.display.words import visible
    from sgpo_cli.judging.labelling.formats import read
    from sgpo_cli.judging.labelling.shape import as_verdict

    rows = list(islice(read(output.path, output.kind), 1000))
    if output.schema == "stepwise":
        rows = [as_verdict(row) for row in rows]
    rows.sort(key=lambda row: row["verdict"]["first_error"] in (None, -1))
    screen.out.print(legend_text(rows[:examples]))
    for row in rows[:examples]:
        ends, at = [], 0
        for step in row["steps"]:
            at += len(step) + 1
            ends.append(at)
        problem = row["problem"] if output.schema == "stepwise" else row[columns.problem]
        screen.out.print(f"\n{row.get('id', '')}  {visible(problem[:200])}")
        screen.out.print(render_steps({**row, "response": "\n".join(row["steps"]) + "\n", "step_ends": ends}))
