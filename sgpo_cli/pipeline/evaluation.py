"""`sgpo eval` as one stage in a directory of its own: `OUT/BENCH/...`, resumed when it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from sgpo_cli.errors import Interrupted, UserError
from sgpo_cli.pipeline.eval_home import Job, clear, refuse_other
from sgpo_cli.pipeline.eval_subject import EvalRequest, subject_of
from sgpo_cli.pipeline.fingerprint import bench_content, fingerprint, local_content
from sgpo_cli.pipeline.launch import Launcher, in_child
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.load import to_dict
from sgpo_cli.recipe.schema import Benchmark, Launch, Recipe
from sgpo_cli.runs.events import Event
from sgpo_cli.runs.files import make_dir, read_json
from sgpo_cli.runs.locks import Lock
from sgpo_cli.runs.rundir import StageDir


def run_evaluation(
    request: EvalRequest,
    *,
    on_event: Callable[[Event], None],
    launcher: Launcher = in_child,
    restart: bool = False,
) -> list[dict[str, Any]]:
    """Runs (or resumes) the evaluation and returns the summaries, in the order of the benches.

    Each bench is a stage of its own under OUT/BENCH, so that benches measured at different times share an OUT.
    """
    names = _names(request)
    _refuse_missing(request)
    make_dir(request.directory)
    what = f"evaluation {request.directory}"
    with Lock(request.directory / ".lock", what=what, instead="choose another directory with --out") as lock:
        jobs = _jobs(request)
        refuse_other(request.directory, jobs, restart)
        for job in jobs:
            clear(job, restart)
        for job in jobs:
            if job.is_done():
                continue
            job.write()
            try:
                launcher(job.stage, launch=Launch(), alone=True, keep=lock.descriptors, on_event=on_event)
            except Interrupted as stop:
                raise Interrupted(stop.what, code=stop.exit_code, fix="the same command goes on") from stop
    return [read_json(request.directory / name / "summary.json") for name in names]


def check_request(request: EvalRequest, *, restart: bool = False) -> None:
    """Raises what `run_evaluation` would say of its benches, responses and directory, and changes nothing."""
    _names(request)
    _refuse_missing(request)
    refuse_other(request.directory, _jobs(request), restart)


def _refuse_missing(request: EvalRequest) -> None:
    if request.responses is not None and not request.responses.is_file():
        raise UserError(f"no such file: {request.responses}", fix="name a JSONL file of responses")


def _names(request: EvalRequest) -> list[str]:
    """The benches' names, each of which is a directory. `UserError` when two are one."""
    cards = [use.card for use in request.benchmarks]
    names = [load_eval_card(card).name for card in cards]
    for at, name in enumerate(names):
        first = names.index(name)
        if first != at and cards[first] == cards[at]:
            raise UserError(f"bench {name} is named twice", fix="name it once in --bench")
        if first != at:
            raise UserError(f"{cards[first]} and {cards[at]} are both called {name}", fix="measure them one by one")
    return names


def _jobs(request: EvalRequest) -> list[Job]:
    return [_job(request, use, name) for use, name in zip(request.benchmarks, _names(request), strict=True)]


def _job(request: EvalRequest, use: Benchmark, name: str) -> Job:
    kind, config, inputs, recipe, options = _stage(replace(request, benchmarks=[use]))
    mark = fingerprint(kind, config, {})
    told = {"name": "eval", "kind": kind, "fingerprint": mark, "config": config, "inputs": inputs}
    options = {**options, "out": str(request.directory.absolute())}
    home = request.directory / name
    return Job(home, StageDir(home / "stage"), mark, {**told, "options": options, "recipe": to_dict(recipe)})


def _stage(request: EvalRequest) -> tuple[str, dict[str, Any], dict[str, str], Recipe, dict[str, Any]]:
    benches = [{**asdict(use), **bench_content(use)} for use in request.benchmarks]
    options: dict[str, Any] = {"unsafe": request.unsafe}
    if request.responses is not None:
        recipe = Recipe(name="eval", seed=request.seed, benchmarks=request.benchmarks)
        field = request.response_field
        config: dict[str, Any] = {
            "benchmarks": benches,
            "responses": local_content(str(request.responses)),
            "field": field,
        }
        inputs = {"responses": str(request.responses.absolute())}
        return "responses", config, inputs, recipe, {**options, "field": field}
    subject = subject_of(request)
    config = {"benchmarks": benches, "seed": request.seed, "model": subject.identity, "engine": request.engine}
    options |= {"model": request.model, "engine": request.engine}
    if subject.policy is None:
        # Where a model is served is no part of the fingerprint.
        options |= {"servers": list(request.servers), "key_env": request.key_env}
        return "eval", config, {}, subject.recipe, options
    return "eval", config, {"policy": subject.policy}, subject.recipe, options
