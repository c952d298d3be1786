"""Which of a run's policies is exported: the last (`final`), the best on held-out problems, or a checkpoint's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.export.weights import same_weights
from sgpo_cli.runs.files import read_json
from sgpo_cli.runs.rundir import RunDir

Which = Literal["final", "best", "last"]

_MARKER = "complete.json"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A folder to copy files from, and what it is."""

    which: Which
    folder: Path
    step: int | None
    adapter: bool
    """Whether `folder` holds adapters alone, in peft's format."""
    measured: bool
    """Whether its weights are those of the final policy, on which a run's benchmarks are measured."""


def choose(run: RunDir, which: Which | None, *, adapter: bool, lora: bool) -> Chosen:
    """What `which` names in this run; None is `final` of a finished run.

    Raises:
        UserError: an unfinished run and no `which`, or a policy or adapters that are not there, with those that are.
    """
    if adapter and not lora:
        raise UserError(
            f"run {run.name} trained all weights: it has no adapters", fix=f"sgpo export {run.name}, without --adapter"
        )
    if which is None:
        if not run.done.exists():
            raise UserError(f"run {run.name} is not finished", fix=f"sgpo train {run.recipe} goes on; {_there(run)}")
        which = "final"
    train = run.stage("train")
    if which == "last":
        return _last(run, adapter=adapter, lora=lora)
    if adapter and which == "best":
        raise UserError("of the best policy only the merged weights are kept", fix="leave out --adapter")
    folder = train.adapter if adapter else (train.final if which == "final" else train.path / "best")
    if not folder.is_dir():
        raise UserError(f"run {run.name} has no {folder.name} policy", fix=_there(run))
    return Chosen(which, folder, _step(run, which), adapter, which == "final" or same_weights(folder, train.final))


def _last(run: RunDir, *, adapter: bool, lora: bool) -> Chosen:
    found = _checkpoint(run)
    if found is None:
        raise UserError(f"run {run.name} has no checkpoint", fix=_there(run))
    folder, step = found
    if lora and not adapter:
        what = "a checkpoint of adapters does not hold a whole policy"
        raise UserError(what, fix=f"add --adapter, or finish the run: sgpo train {run.recipe}")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder} holds its weights in shards", fix=f"finish the run: sgpo train {run.recipe}")
    train = run.stage("train")
    measured = same_weights(folder, train.adapter if adapter else train.final)
    return Chosen("last", folder, step, adapter, measured)


def _there(run: RunDir) -> str:
    """What can be exported, as options."""
    train = run.stage("train")
    there = [name for name, folder in (("final", train.final), ("best", train.path / "best")) if folder.is_dir()]
    if _checkpoint(run) is not None:
        there.append("last")
    return (
        "to export what is there: " + " or ".join(f"--policy {name}" for name in there) if there else "train it first"
    )


def _checkpoint(run: RunDir) -> tuple[Path, int] | None:
    """The newest complete checkpoint and its step."""
    found = [path.parent for path in run.stage("train").checkpoints.glob(f"checkpoint-*/{_MARKER}")]
    if not found:
        return None
    folder = max(found, key=lambda path: int(path.name.rpartition("-")[2]))
    return folder, int(read_json(folder / _MARKER)["step"])


def _step(run: RunDir, which: Which) -> int | None:
    train = run.stage("train")
    if which == "best":
        outputs: dict[str, Any] = read_json(train.done)["outputs"] if train.done.exists() else {}
        if outputs.get("best_step") is not None:
            return int(outputs["best_step"])
        found = _checkpoint(run)
        best = read_json(found[0] / _MARKER)["best_step"] if found else None
        return None if best is None else int(best)
    return max((row["step"] for row in run.metrics()), default=None)
