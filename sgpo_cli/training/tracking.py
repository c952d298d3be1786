"""The ledger in the recipe's experiment trackers, under `sgpo/...`, by our step.

TRL sends its own metrics by optimizer update (transformers' callbacks); this adds every number of metrics.jsonl that is
ours. A run that goes on is the same run in its trackers: tensorboard forgets what came after the checkpoint, wandb and
mlflow are given the id that they had, trackio goes by the run's name.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from transformers import Trainer
from transformers.integrations import TensorBoardCallback

from sgpo_cli.runs.files import read_json, write_json
from sgpo_cli.runs.rundir import StageDir

_NOT_OURS = {"step", "trl", "heldout_start", "reasons"}
"""Keys of a row that are no figure of the ledger's, or, `trl`, that the trackers have from TRL."""


class Tracker(Protocol):
    """One tracker's run, open in this process."""

    def send(self, values: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class Tracking:
    """What rank 0 tells the trackers; on other ranks, and without trackers, it tells nothing."""

    def __init__(self, names: Sequence[str], stage: StageDir, name: str, *, writes: bool) -> None:
        """Gives wandb and mlflow the run's id through their environment variables until `close`; one that the person
        has set stays."""
        self._names = list(names) if writes else []
        self._ids = stage.path / "trackers.json"
        told = os.environ.get("TENSORBOARD_LOGGING_DIR")
        self.tensorboard = Path(told).expanduser() / name if told else stage.path / "tensorboard"
        self._open: list[Tracker] = []
        self._stack = ExitStack()
        if not self._names:
            return
        ids: dict[str, Any] = {"wandb": uuid.uuid4().hex[:12], "mlflow": None}
        ids |= read_json(self._ids) if self._ids.exists() else {}
        write_json(self._ids, ids)
        if "wandb" in self._names:
            self._say({"WANDB_RUN_ID": ids["wandb"], "WANDB_RESUME": "allow"})
        if "mlflow" in self._names and ids["mlflow"]:
            self._say({"MLFLOW_RUN_ID": ids["mlflow"]})

    def _say(self, variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            if name not in os.environ:
                os.environ[name] = value
                self._stack.callback(os.environ.pop, name, None)

    def attach(self, trainer: Trainer, *, steps: int, updates: int) -> None:
        """Before training: `steps` and `updates` are done, and are those of the checkpoint gone on from."""
        for name in self._names:
            if name == "tensorboard":
                for callback in trainer.callback_handler.callbacks:
                    if isinstance(callback, TensorBoardCallback):
                        callback.tb_writer = _writer(self.tensorboard / "trl", updates)
            self._open.append(_OPEN[name](self, steps))

    def send(self, row: Mapping[str, Any]) -> None:
        """A row of metrics.jsonl; the held-out measurement before the first step is step 0's."""
        if not self._open:
            return
        if row.get("heldout_start"):
            self._send(figures({"heldout": row["heldout_start"]}), 0)
        self._send(figures({key: value for key, value in row.items() if key not in _NOT_OURS}), row["step"])

    def _send(self, values: Mapping[str, float], step: int) -> None:
        for tracker in self._open:
            tracker.send(values, step)

    def keep_id(self, name: str, value: str) -> None:
        """Remembers the id that a tracker gave the run, for the sessions that go on with it."""
        ids = read_json(self._ids)
        if ids[name] != value:
            write_json(self._ids, {**ids, name: value})

    def close(self) -> None:
        for tracker in self._open:
            tracker.close()
        self._open = []
        self._stack.close()


def figures(row: Mapping[str, Any], path: str = "sgpo") -> dict[str, float]:
    """The known numbers of a row under their dotted keys as `sgpo/groups/all_negative`; a flag is 0 or 1."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found |= figures(value, f"{path}/{key}")
        elif isinstance(value, int | float) and math.isfinite(value):
            found[f"{path}/{key}"] = int(value) if isinstance(value, bool) else value
    return found


def _writer(folder: Path, done: int) -> Any:
    """A SummaryWriter whose readers forget what earlier sessions wrote after step `done`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        from tensorboardX import SummaryWriter
    earlier = folder.is_dir() and any(folder.iterdir())
    # Two sessions may begin in one second, which is all that the file's own name tells.
    suffix = f".{time.time_ns()}"
    return SummaryWriter(str(folder), purge_step=(done + 1 if done else 0) if earlier else None, filename_suffix=suffix)


class _TensorBoard:
    """Beside TRL's curves (`trl`), whose steps are updates, as the curves `ledger`."""

    def __init__(self, tracking: Tracking, done: int) -> None:
        self._writer = _writer(tracking.tensorboard / "ledger", done)

    def send(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    """In the run that transformers opens when training begins, with an axis of its own."""

    def __init__(self, _tracking: Tracking, _done: int) -> None:
        self._axis = False

    def send(self, values: Mapping[str, float], step: int) -> None:
        import wandb

        if not self._axis:
            wandb.define_metric("sgpo/step")
            wandb.define_metric("sgpo/*", step_metric="sgpo/step")
            self._axis = True
        wandb.log({**values, "sgpo/step": step})

    def close(self) -> None:
        import wandb

        wandb.finish()  # else at the interpreter's exit, which a rank never comes to (runs/leaving.py)


class _Trackio:
    """In the run that transformers opens, with our step as a figure, as it does with its own."""

    def __init__(self, _tracking: Tracking, _done: int) -> None: ...

    def send(self, values: Mapping[str, float], step: int) -> None:
        import trackio

        trackio.log({**values, "sgpo/step": step})

    def close(self) -> None:
        """transformers ends the run."""


class _Mlflow:
    """In the run that transformers opens; its id is known only then."""

    def __init__(self, tracking: Tracking, _done: int) -> None:
        self._tracking = tracking

    def send(self, values: Mapping[str, float], step: int) -> None:
        import mlflow

        mlflow.log_metrics(dict(values), step=step)
        run = mlflow.active_run()
        if run is not None:
            self._tracking.keep_id("mlflow", run.info.run_id)

    def close(self) -> None:
        import mlflow

        mlflow.end_run()  # as of wandb


_OPEN: dict[str, Any] = {"tensorboard": _TensorBoard, "wandb": _Wandb, "trackio": _Trackio, "mlflow": _Mlflow}
