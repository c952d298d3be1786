"""What looks on while the warm-up trains: progress and metrics, whole checkpoints, stop requests, a loss gone wild."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.errors import RunFailed
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.files import JsonLines, remove_tree, write_text

if TYPE_CHECKING:
    from transformers import TrainerCallback

_WHOLE = "complete"
"""Written into a checkpoint last: a checkpoint without it was being written when its process was killed."""
_EVERY_S = 0.25
"""Seconds between progress events."""
_METRICS_EVERY = 10
"""Steps between metrics events (the metrics file has every step)."""


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint, if any."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / _WHOLE).exists()]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def remove_torn(folder: Path) -> None:
    """Removes what a killed process left half written; for one process only."""
    for path in folder.glob("checkpoint-*"):
        if not (path / _WHOLE).exists():
            remove_tree(path)


def watch(
    events: EventWriter,
    metrics: Path | None,
    steps: int,
    *,
    what: str = "the warm-up",
    rate: str = "warmup.learning_rate",
) -> TrainerCallback:
    """The callback of the warm-up, or of another training of its kind: `what` it is, and the key of its learning
    `rate`, for errors. `metrics` is None on ranks other than 0.
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def __init__(self) -> None:
            self.lines = JsonLines(metrics) if metrics is not None else None
            self.told = 0.0

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs is None or "loss" not in logs:
                return
            step, loss = state.global_step, float(logs["loss"])
            row = {"loss": loss, "learning_rate": logs["learning_rate"], "grad_norm": float(logs["grad_norm"])}
            if self.lines is not None:
                self.lines.append({"step": step, **row})
            if step % _METRICS_EVERY == 0 or step == steps:
                events.emit("metrics", step=step, total=steps, **row)
            now = time.monotonic()
            if now - self.told >= _EVERY_S or step == steps:
                self.told = now
                events.emit("progress", step=step, total=steps, loss=loss)
            if not math.isfinite(loss):
                raise RunFailed(f"{what}'s loss is {loss} at step {step}", fix=f"lower {rate}")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step < steps and _anyone_stops():
                control.should_save = True
                control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.lines is not None:
                self.lines.sync()
                write_text(Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE, "")

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.lines is not None:
                self.lines.close()

    return Watch()


def _anyone_stops() -> bool:
    """Whether any process was asked to stop: signals reach processes at different times, and all must stop at one
    step.
    """
    import torch

    asked = stops.stop_asked()
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return asked
    device = torch.device("cpu")
    if torch.distributed.get_backend() == "nccl":
        device = torch.device("cuda", torch.cuda.current_device())
    flag = torch.tensor(int(asked), device=device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())
