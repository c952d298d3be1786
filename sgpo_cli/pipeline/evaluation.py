"""`sgpo eval` as one stage in a directory of its own: `OUT/BENCH/...`, resumed when it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sgpo_cli.errors import Interrupted, UserError
from sgpo_cli.pipeline.eval_subject import EvalRequest, subject_of
from sgpo_cli.pipeline.fingerprint import content_hash, fingerprint, local_content
from sgpo_cli.pipeline.launch import Launcher, in_child
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.find import find_card
from sgpo_cli.recipe.load import to_dict
from sgpo_cli.recipe.schema import Benchmark, Launch, Recipe
from sgpo_cli.runs.events import Event
from sgpo_cli.runs.files import make_dir, read_json, remove_tree, write_json
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
    names = [load_eval_card(use.card).name for use in request.benchmarks]
    if request.responses is not None and not request.responses.is_file():
        raise UserError(f"no such file: {request.responses}")
    make_dir(request.directory)
    with Lock(request.directory / ".lock", what=f"evaluation {request.directory}") as lock:
        jobs = [
            _Job.of(request, use, request.directory / name) for use, name in zip(request.benchmarks, names, strict=True)
        ]
        for job in jobs:
            _make_way(job, restart)
        for job in jobs:
            if job.is_done():
                continue
            write_json(job.stage.config, job.told)
            try:
                launcher(job.stage, launch=Launch(), alone=True, keep=lock.descriptors, on_event=on_event)
            except Interrupted as stop:
                raise Interrupted(stop.what, code=stop.exit_code, fix="the same command goes on") from stop
    return [read_json(request.directory / name / "summary.json") for name in names]


@dataclass(frozen=True)
class _Job:
    """One bench: where its results go, and the stage that makes them."""

    home: Path
    stage: StageDir
    fingerprint: str
    told: dict[str, Any]

    @classmethod
    def of(cls, request: EvalRequest, use: Benchmark, home: Path) -> _Job:
        kind, config, inputs, recipe, options = _stage(replace(request, benchmarks=[use]))
        mark = fingerprint(kind, config, {})
        told = {"name": "eval", "kind": kind, "fingerprint": mark, "config": config, "inputs": inputs}
        options = {**options, "out": str(home.parent.absolute())}
        return cls(home, StageDir(home / "stage"), mark, {**told, "options": options, "recipe": to_dict(recipe)})

    def differs_in_k_only(self) -> bool:
        """Whether the evaluation that is there had all of these settings but for the samples a problem."""
        before = read_json(self.stage.config)
        return before["kind"] == self.told["kind"] == "eval" and fingerprint(
            "eval", _without_k(before["config"]), {}
        ) == fingerprint("eval", _without_k(self.told["config"]), {})

    def is_done(self) -> bool:
        return self.stage.is_done(self.fingerprint) and (self.home / "summary.json").exists()


def _make_way(job: _Job, restart: bool) -> None:
    """Refuses a directory that holds something else; `restart` drops an earlier evaluation, never anything else.

    Where only the number of samples a problem differs, what there is stays: the stage reuses the samples.
    """
    held = list(job.home.iterdir()) if job.home.is_dir() else []
    if held and not job.stage.config.exists():
        raise UserError(
            f"{job.home} holds something that is not an evaluation", fix="choose another directory with --out"
        )
    if restart or job.stage.fingerprint() not in {None, job.fingerprint}:
        if not restart and job.differs_in_k_only():
            job.stage.done.unlink(missing_ok=True)
            (job.home / "summary.json").unlink(missing_ok=True)
            return
        if not restart and job.stage.done.exists():
            raise UserError(
                f"{job.home} holds a finished evaluation with other settings",
                fix="choose another directory with --out, or drop that one with --restart",
            )
        for path in held:
            remove_tree(path)
    make_dir(job.stage.path)


def _without_k(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "benchmarks": [{**bench, "k": None} for bench in config["benchmarks"]]}


def _stage(request: EvalRequest) -> tuple[str, dict[str, Any], dict[str, str], Recipe, dict[str, Any]]:
    benches = [
        {**asdict(use), "card": content_hash(find_card("evals", use.card)), "content": local_content(use.file)}
        for use in request.benchmarks
    ]
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
