"""`sgpo eval` as one stage in a directory of its own: `OUT/BENCH/...`, resumed when it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sgpo_cli.errors import Interrupted, UserError
from sgpo_cli.pipeline.fingerprint import content_hash, fingerprint, local_content
from sgpo_cli.pipeline.launch import Launcher, in_child
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.find import find_card
from sgpo_cli.recipe.load import load_recipe, to_dict
from sgpo_cli.recipe.schema import Benchmark, Launch, Model, Recipe
from sgpo_cli.runs.events import Event
from sgpo_cli.runs.files import make_dir, read_json, remove_tree, write_json
from sgpo_cli.runs.locks import Lock
from sgpo_cli.runs.rundir import RunDir, StageDir, runs_root


@dataclass(frozen=True)
class EvalRequest:
    """What `sgpo eval` was asked: benches, and a model (folder, hub id or run) or a file of responses."""

    benchmarks: list[Benchmark]
    seed: int
    model: str | None
    responses: Path | None
    response_field: str
    out: Path | None
    default_out: Path

    @property
    def directory(self) -> Path:
        return self.out if self.out is not None else self.default_out


@dataclass(frozen=True)
class _Subject:
    """The weights to measure, and the recipe that says how they are asked."""

    recipe: Recipe
    policy: str
    identity: dict[str, Any]


def describe(request: EvalRequest) -> dict[str, Any]:
    """What would be done, without doing it."""
    benches = []
    for use in request.benchmarks:
        card = load_eval_card(use.card)
        benches.append(
            {
                "card": card.name,
                "source": use.file or card.file or card.hub or f"task {card.task}",
                "problems": min(use.limit or card.rows or 0, card.rows or use.limit or 0) or None,
                "k": use.k or card.k,
                "temperature": card.sampling.temperature if use.temperature is None else use.temperature,
                "top_p": card.sampling.top_p,
                "max_new_tokens": use.max_new_tokens or card.sampling.max_new_tokens,
                "prompt": card.prompt,
            }
        )
    what = str(request.responses) if request.responses else _subject(request).policy
    return {"model": what, "out": str(request.directory), "benchmarks": benches}


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

    def is_done(self) -> bool:
        return self.stage.is_done(self.fingerprint) and (self.home / "summary.json").exists()


def _make_way(job: _Job, restart: bool) -> None:
    """Refuses a directory that holds something else; `restart` drops an earlier evaluation, never anything else."""
    held = list(job.home.iterdir()) if job.home.is_dir() else []
    if held and not job.stage.config.exists():
        raise UserError(
            f"{job.home} holds something that is not an evaluation", fix="choose another directory with --out"
        )
    if restart or job.stage.fingerprint() not in {None, job.fingerprint}:
        if not restart and job.stage.done.exists():
            raise UserError(
                f"{job.home} holds a finished evaluation with other settings",
                fix="choose another directory with --out, or drop that one with --restart",
            )
        for path in held:
            remove_tree(path)
    make_dir(job.stage.path)


def _stage(request: EvalRequest) -> tuple[str, dict[str, Any], dict[str, str], Recipe, dict[str, Any]]:
    benches = [
        {**asdict(use), "card": content_hash(find_card("evals", use.card)), "content": local_content(use.file)}
        for use in request.benchmarks
    ]
    if request.responses is not None:
        recipe = Recipe(name="eval", seed=request.seed, benchmarks=request.benchmarks)
        field = request.response_field
        config: dict[str, Any] = {
            "benchmarks": benches,
            "responses": local_content(str(request.responses)),
            "field": field,
        }
        return "responses", config, {"responses": str(request.responses.absolute())}, recipe, {"field": field}
    subject = _subject(request)
    config = {"benchmarks": benches, "seed": request.seed, "model": subject.identity}
    return "eval", config, {"policy": subject.policy}, subject.recipe, {"model": request.model}


def _subject(request: EvalRequest) -> _Subject:
    """A run's trained policy with the run's own prompt settings, or a folder or hub id with none."""
    assert request.model is not None
    run = _as_run(request.model)
    if run is not None:
        final = run.stage("train").final
        if not final.is_dir():
            raise UserError(f"run {run.name} has no trained policy yet", fix=f"finish it: sgpo train {run.recipe}")
        recipe = load_recipe(run.recipe, check=False).recipe
        recipe.seed, recipe.benchmarks = request.seed, request.benchmarks
        done = run.stage("train").done
        identity = {"run": read_json(done)["fingerprint"] if done.exists() else None, "path": str(final.absolute())}
        return _Subject(recipe, str(final.absolute()), identity)
    recipe = Recipe(name="eval", seed=request.seed, model=Model(path=request.model), benchmarks=request.benchmarks)
    folder = Path(request.model)
    path = str(folder.absolute()) if folder.exists() else request.model
    weights = local_content(str(folder / "config.json")) if folder.is_dir() else None
    sizes = {f.name: [f.stat().st_size, f.stat().st_mtime_ns] for f in sorted(folder.glob("*.safetensors"))}
    return _Subject(recipe, path, {"path": path, "config": weights, "weights": sizes})


def _as_run(name: str) -> RunDir | None:
    for path in (Path(name), runs_root() / name):
        if (path / "recipe.yaml").is_file():
            return RunDir(path)
    return None
