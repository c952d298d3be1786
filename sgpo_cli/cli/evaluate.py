"""`sgpo eval --bench NAME`: measure a model, or score answers made elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from sgpo_cli.display.console import Screen
    from sgpo_cli.pipeline.eval_subject import EvalRequest


def evaluate(
    bench: Annotated[str, typer.Option("--bench", help="Eval cards, separated by commas (sgpo list evals).")],
    model: Annotated[
        str | None, typer.Option("--model", help="Folder, hub id or run; the newest run if omitted; a server's name.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where results go; default runs/eval-<model>.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", help="A local JSONL in the hub data set's place (one bench).")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Samples a problem; default the card's.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many problems.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, help="Default the card's.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", min=1, help="Default the card's.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the samples; default 0.")] = None,
    engine: Annotated[
        Literal["transformers", "vllm", "server"] | None,
        typer.Option("--engine", help="What samples: transformers (default), vllm in this process, or a server."),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option("--server", help="Address of an OpenAI-compatible server, ending in /v1; repeat."),
    ] = None,
    key_env: Annotated[str | None, typer.Option("--key-env", help="Variable that holds the server's key.")] = None,
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--no-chat", help="Chat messages or plain text; default: as the tokenizer has."),
    ] = None,
    chat_template: Annotated[
        str | None, typer.Option("--chat-template", help="File with a Jinja template in the tokenizer's place.")
    ] = None,
    responses: Annotated[Path | None, typer.Option("--responses", help="JSONL of answers to grade; no model.")] = None,
    response_field: Annotated[
        str | None, typer.Option("--response-field", help="Their field in that file; default response.")
    ] = None,
    save_responses: Annotated[
        Path | None, typer.Option("--save-responses", help="Also write the samples, as JSONL for --responses.")
    ] = None,
    export: Annotated[Path | None, typer.Option("--export", help="Also write results as lm-eval's JSON.")] = None,
    judge: Annotated[str | None, typer.Option("--judge", help="The judge that bench processbench measures.")] = None,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Run programs without a sandbox where none works. They can do what you can."),
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done; nothing is run.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Drop what an evaluation in OUT left.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a model, or grade answers made elsewhere.

    Prints avg@k of each benchmark with a 95% interval clustered by problem.
    """
    from sgpo_cli.display.console import Screen
    from sgpo_cli.pipeline.eval_export import check_targets
    from sgpo_cli.pipeline.eval_plan import describe
    from sgpo_cli.pipeline.eval_subject import EvalRequest
    from sgpo_cli.recipe.schema import Benchmark

    screen = Screen.open(as_json=as_json)
    names = [name.strip() for name in bench.split(",") if name.strip()]
    if not names:
        raise UserError("--bench names no bench", fix="sgpo list evals")
    if len(names) > 1 and (file or responses):
        raise UserError("--file and --responses go with one bench", fix=f"--bench {names[0]}")
    asked = {
        "--model": model, "--k": k, "--limit": limit, "--temperature": temperature, "--max-new-tokens": max_new_tokens,
        "--seed": seed, "--engine": engine, "--server": server or None, "--key-env": key_env, "--chat": chat,
        "--chat-template": chat_template, "--save-responses": save_responses,
    }  # fmt: skip
    if _measures_judges(names, judge):
        from sgpo_cli.cli.evaluate_judge import measure_judge

        asked |= {"--responses": responses, "--response-field": response_field, "--export": export}
        _refuse(asked | {"--unsafe": unsafe or None}, "bench processbench measures judges")
        assert judge is not None
        measure_judge(names[0], judge, file, out, restart, plan, screen)
        return
    if responses is not None:
        _refuse(asked, "--responses grades answers as they are")
    else:
        _refuse({"--response-field": response_field}, "there are no --responses")
    chosen = engine or ("server" if server else "transformers")
    _check_server(chosen, server, key_env, model, chat is not None or chat_template is not None)
    uses = [
        Benchmark(card=name, k=k, limit=limit, file=file, temperature=temperature, max_new_tokens=max_new_tokens)
        for name in names
    ]
    request = EvalRequest(
        uses, seed or 0, model, responses, response_field or "response", out, _default_out(model, responses), chosen,
        tuple(server or ()), key_env, chat, chat_template, unsafe,
    )  # fmt: skip
    if responses is None and model is None:
        request = _newest(request, screen)
    check_targets(request, save_responses, export)
    if plan:
        from sgpo_cli.display.evalplan import eval_plan_text

        document = describe(request, restart=restart)
        screen.show(eval_plan_text(document), document)
        return
    _run(request, screen, restart, save_responses, export)


def _measures_judges(names: list[str], judge: str | None) -> bool:
    from sgpo_cli.recipe.cards import load_eval_card

    kinds = [load_eval_card(name).grade.kind for name in names]
    if "steps" not in kinds:
        if judge is not None:
            raise UserError("--judge goes with a bench that measures judges", fix="--bench processbench")
        return False
    if len(names) > 1:
        raise UserError("a bench that measures judges stands alone", fix=f"--bench {names[kinds.index('steps')]}")
    if judge is None:
        raise UserError(
            f"bench {names[0]} measures judges, not models", fix="--judge NAME; sgpo list judges names them"
        )
    return True


def _refuse(told: Mapping[str, object], why: str) -> None:
    given = [name for name, value in told.items() if value is not None]
    if given:
        raise UserError(f"{why}: {', '.join(given)} would change nothing", fix="leave it out")


def _check_server(engine: str, server: list[str] | None, key_env: str | None, model: str | None, chat: bool) -> None:
    if engine != "server":
        if server or key_env:
            raise UserError(
                "--server and --key-env go with --engine server", fix="leave out --engine, or name a server"
            )
        return
    if not server:
        raise UserError("--engine server needs an address", fix="--server http://127.0.0.1:8000/v1")
    if model is None:
        raise UserError("the server's model is not named", fix="--model NAME, as the server's /v1/models names it")
    if chat:
        raise UserError("a server asks by its own chat template", fix="leave out --chat, --no-chat and --chat-template")


def _default_out(model: str | None, responses: Path | None) -> Path:
    name = model or (responses.stem if responses else "model")
    return Path("runs") / ("eval-" + re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-."))


def _newest(request: EvalRequest, screen: Screen) -> EvalRequest:
    from sgpo_cli.runs.rundir import newest_finished

    run = newest_finished()
    if run is None:
        raise UserError(
            "no --model given, and no finished run under ./runs",
            fix="sgpo train tiny_sgpo, or: sgpo eval --bench NAME --model FOLDER_OR_HUB_ID",
        )
    screen.say(f"model: run {run.name}, the newest finished one ({run.stage('train').final})")
    return replace(request, model=str(run.path), default_out=_default_out(run.name, None))


def _run(request: EvalRequest, screen: Screen, restart: bool, save_responses: Path | None, export: Path | None) -> None:
    from sgpo_cli.display.live import progress
    from sgpo_cli.display.tables import bench_table
    from sgpo_cli.pipeline.eval_export import write_lm_eval, write_responses
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
    for summary in summaries:
        for note in summary.get("notes", []):
            screen.say(f"{summary['bench']}: {note}")
    screen.say(f"samples and summaries: {request.directory}")
    if save_responses is not None:
        for path in write_responses(request.directory, summaries, save_responses):
            screen.say(f"responses: {path}")
    if export is not None:
        write_lm_eval(request, summaries, export)
        screen.say(f"results as lm-eval writes them: {export}")
