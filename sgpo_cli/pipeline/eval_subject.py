"""What `sgpo eval` measures: a run's policy as the run asked it, a folder or hub id, or a model behind a server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.export import EXPORTED_RECIPE
from sgpo_cli.pipeline.fingerprint import content_hash
from sgpo_cli.pipeline.model_files import sampling_files
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Benchmark, Model, Recipe
from sgpo_cli.runs.files import read_json
from sgpo_cli.runs.rundir import RunDir, runs_root

EngineName = Literal["transformers", "vllm", "server"]


@dataclass(frozen=True)
class EvalRequest:
    """What `sgpo eval` was asked: benches, and a model (folder, hub id, run or a server's) or a file of responses.

    `chat`: None asks in chat messages where the tokenizer has a template; `servers` are base addresses for engine
    server, `key_env` the variable with their key.
    """

    benchmarks: list[Benchmark]
    seed: int
    model: str | None
    responses: Path | None
    response_field: str
    out: Path | None
    default_out: Path
    engine: EngineName = "transformers"
    servers: tuple[str, ...] = ()
    key_env: str | None = None
    chat: bool | None = None
    chat_template: str | None = None
    unsafe: bool = False

    @property
    def directory(self) -> Path:
        return self.out if self.out is not None else self.default_out


@dataclass(frozen=True)
class Subject:
    """The recipe that says how the weights are asked, where they are (None: behind a server), and what they are."""

    recipe: Recipe
    policy: str | None
    identity: dict[str, Any]


def subject_of(request: EvalRequest) -> Subject:
    """Raises `UserError` for a run without a policy, or settings of the prompt that are not those of its training."""
    assert request.model is not None
    if request.engine == "server":
        recipe = Recipe(name="eval", seed=request.seed, benchmarks=request.benchmarks)
        return Subject(recipe, None, {"server": request.model})
    run = _as_run(request.model)
    if run is not None:
        return _of_run(run, request)
    folder = Path(request.model)
    model = Model(path=request.model, chat=request.chat, chat_template=request.chat_template)
    recipe = Recipe(name="eval", seed=request.seed, model=model, benchmarks=request.benchmarks)
    exported = folder / EXPORTED_RECIPE
    as_trained = exported.is_file() and request.chat is None and request.chat_template is None
    if as_trained:
        recipe = _of_export(exported, request)
    path = str(folder.absolute()) if folder.exists() else request.model
    identity: dict[str, Any] = {"path": path, "files": sampling_files(folder)}
    if as_trained:
        identity["asked"] = content_hash(exported)
    elif request.chat is not None or request.chat_template is not None:
        template = request.chat_template
        identity["asked"] = [request.chat, template and content_hash(Path(template))]
    return Subject(recipe, path, identity)


def _of_export(path: Path, request: EvalRequest) -> Recipe:
    """The recipe of an exported policy, asked as its run asked; its chat template is its tokenizer's by now."""
    told = load_recipe(path, check=False).recipe
    model = replace(told.model, path=str(path.parent), scratch=None, revision=None, chat_template=None, lora=None)
    return replace(told, model=model, seed=request.seed, benchmarks=request.benchmarks)


def _of_run(run: RunDir, request: EvalRequest) -> Subject:
    if request.chat is not None or request.chat_template is not None:
        raise UserError(
            f"run {run.name} is asked as it was trained: --chat, --no-chat and --chat-template would be a mismatch",
            fix=f"leave them out, or measure its weights by path: --model {run.stage('train').final}",
        )
    final = run.stage("train").final
    if not final.is_dir():
        raise UserError(f"run {run.name} has no trained policy yet", fix=f"finish it: sgpo train {run.recipe}")
    recipe = replace(load_recipe(run.recipe, check=False).recipe, seed=request.seed, benchmarks=request.benchmarks)
    done = run.stage("train").done
    made_by = read_json(done)["fingerprint"] if done.exists() else None
    identity = {"run": made_by, "path": str(final.absolute()), "files": sampling_files(final)}
    return Subject(recipe, str(final.absolute()), identity)


def _as_run(name: str) -> RunDir | None:
    for path in (Path(name), runs_root() / name):
        if (path / "recipe.yaml").is_file():
            return RunDir(path)
    return None
