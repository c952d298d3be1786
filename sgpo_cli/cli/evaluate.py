"""`sgpo eval --bench NAME`: measure a model, or score answers made elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from sgpo_cli.display.console import Screen
    from sgpo_cli.pipeline.evaluation import EvalRequest


def evaluate(
    bench: Annotated[str, typer.Option("--bench", help="Eval cards, separated by commas (sgpo list evals).")],
    model: Annotated[
        str | None, typer.Option("--model", help="Folder, hub id or run; the newest run if omitted.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where results go; default runs/eval-<model>.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", help="A local JSONL in the hub data set's place (one bench).")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Samples a problem; default the card's.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many problems.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, help="Default the card's.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="Default the card's.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the samples.")] = 0,
    responses: Annotated[Path | None, typer.Option("--responses", help="JSONL of answers to grade; no model.")] = None,
    response_field: Annotated[str, typer.Option("--response-field", help="Their field in that file.")] = "response",
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done; nothing is run.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Drop what an evaluation in OUT left.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a model, or grade answers made elsewhere.

    Prints avg@k of each benchmark with a 95% interval clustered by problem.
    """
    from sgpo_cli.display.console import Screen
    from sgpo_cli.pipeline.evaluation import EvalRequest, describe
    from sgpo_cli.recipe.schema import Benchmark

    screen = Screen.open(as_json=as_json)
    names = [name.strip() for name in bench.split(",") if name.strip()]
    if not names:
        raise UserError("--bench names no bench", fix="sgpo list evals")
    if len(names) > 1 and (file or responses):
        raise UserError("--file and --responses go with one bench", fix=f"--bench {names[0]}")
    if responses is not None:
        sampling = {"--model": model, "--k": k, "--limit": limit, "--temperature": temperature}
        given = [name for name, value in {**sampling, "--max-new-tokens": max_new_tokens}.items() if value is not None]
        if given:
            raise UserError(
                f"--responses grades answers as they are: {', '.join(given)} would change nothing", fix="leave it out"
            )
    uses = [
        Benchmark(card=name, k=k, limit=limit, file=file, temperature=temperature, max_new_tokens=max_new_tokens)
        for name in names
    ]
    request = EvalRequest(uses, seed, model, responses, response_field, out, _default_out(model, responses))
    if responses is None:
        request = _newest(request, screen) if model is None else request
    if plan:
        table, document = _plan(describe(request))
        screen.show(table, document)
        return
    _run(request, screen, restart)


def _default_out(model: str | None, responses: Path | None) -> Path:
    name = model or (responses.stem if responses else "model")
    return Path("runs") / ("eval-" + re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-."))


def _newest(request: EvalRequest, screen: Screen) -> EvalRequest:
    from dataclasses import replace

    from sgpo_cli.runs.rundir import newest_finished

    run = newest_finished()
    if run is None:
        raise UserError(
            "no --model given, and no finished run under ./runs",
            fix="sgpo train tiny_sgpo, or: sgpo eval --bench NAME --model FOLDER_OR_HUB_ID",
        )
    screen.say(f"model: run {run.name}, the newest finished one ({run.stage('train').final})")
    return replace(request, model=str(run.path), default_out=_default_out(run.name, None))


def _plan(document: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from rich.text import Text

    lines = [f"model: {document['model']}", f"out: {document['out']}"]
    for bench in document["benchmarks"]:
        lines.append(
            f"{bench['card']}: {bench['problems']} problems x k={bench['k']} from {bench['source']}; "
            f"temperature {bench['temperature']}, top_p {bench['top_p']}, at most {bench['max_new_tokens']} tokens"
        )
        lines.append(f"  asked as: {bench['prompt']}")
    return Text("\n".join(lines)), document


def _run(request: EvalRequest, screen: Screen, restart: bool) -> None:
    from sgpo_cli.display.live import progress
    from sgpo_cli.display.tables import bench_table
    from sgpo_cli.pipeline.evaluation import run_evaluation
    from sgpo_cli.runs import stops
    from sgpo_cli.runs.events import Event

    stops.install()
    what = "grading" if request.responses else "sampling"
    with progress(what, None, screen.out, unit="samples") as bar:

        def tell(event: Event) -> None:
            if event.event == "progress" and event.step is not None:
                bar.update(event.step, total=event.total, description=f"{what} {event.data.get('bench', '')}")

        summaries = run_evaluation(request, on_event=tell, restart=restart)
    screen.show(bench_table(summaries), summaries)
    screen.say(f"samples and summaries: {request.directory}")
