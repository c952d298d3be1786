"""The run's clock: one callback that closes each step, measures, saves, and stops where a stop is safe.

A step ends with the last optimizer update made of its rollouts; only there is the policy measured, saved or stopped, so
that a resumed run equals a straight one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sgpo_cli.errors import RunFailed
from sgpo_cli.runs import stops
from sgpo_cli.training.checkpoints import Position, mark_complete, prune
from sgpo_cli.training.ledger import Ledger
from sgpo_cli.training.trl_compat import gathered

Measured = dict[str, Any]


class Recorder(TrainerCallback):
    """Turns TRL's updates into steps; lives on every rank, and so do the functions it is given."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        updates_per_step: int,
        steps: int,
        eval_every: int,
        save_every: int,
        keep: int,
        measure: Callable[[], Measured] | None,
        keep_best: Callable[[int, Measured], None],
        wait: Callable[[], None],
        position: Position | None,
        guidance: Callable[[], dict[str, Any]] | None = None,
        trust: Callable[[], dict[str, Any]] | None = None,
        refresh: Callable[[int], None] | None = None,
        track: Callable[[Measured], None] | None = None,
    ) -> None:
        """`wait` is a barrier over the ranks; `position` is that of the checkpoint resumed from; `guidance` gives the
        state of the guidance schedule, `trust` the judge's standing; `refresh` is called at the end of every step but
        the last, `track` with every row of metrics.jsonl."""
        self.ledger = ledger
        self.updates_per_step = updates_per_step
        self.steps = steps
        self.eval_every = eval_every
        self.save_every = save_every
        self.keep = keep
        self.measure = measure
        self.keep_best = keep_best
        self.wait = wait
        self.guidance = guidance
        self.trust = trust
        self.refresh = refresh
        self.track = track
        self.best = position.best if position else None
        self.best_step = position.best_step if position else None
        self.start: Measured | None = position.heldout_start if position else None
        self.last: Measured | None = position.heldout if position else None
        self.stopped = False
        self.saved_step = position.step if position else 0
        self._first = position is None
        self._aside = 0.0
        """Seconds of this step that a judge's training took, which are no part of it."""
        self._began = time.perf_counter()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._first and self.measure is not None and self.eval_every:
            self.start = self._measure(0)
            self.ledger.events.emit("metrics", step=0, total=self.steps, heldout=self.start)
        self._began = time.perf_counter()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise RunFailed(
                f"the loss of update {state.global_step} is {logs['loss']}",
                fix="lower trainer.learning_rate; what was learned until the last checkpoint is kept",
            )
        self.ledger.on_update(logs)
        if state.global_step % self.updates_per_step:
            return
        step = state.global_step // self.updates_per_step
        seconds = time.perf_counter() - self._began - self._aside
        self._aside = 0.0
        due = self.eval_every and (step % self.eval_every == 0 or step == self.steps)
        heldout = self._measure(step) if due and self.measure is not None else None
        before = self.start if step == 1 else None
        row = self.ledger.close_step(seconds=seconds, heldout=heldout, heldout_start=before)
        if self.track is not None:
            self.track(row)
        self._began = time.perf_counter()

    def _measure(self, step: int) -> Measured:
        assert self.measure is not None
        self.last = self.measure()
        accuracy = self.last["accuracy"]
        if accuracy is not None and (self.best is None or accuracy > self.best):
            self.best, self.best_step = accuracy, step
            self.keep_best(step, self.last)
        return self.last

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Decides, at a rollout boundary, whether to save and whether to stop."""
        if state.global_step % self.updates_per_step:
            return
        step = state.global_step // self.updates_per_step
        if self.refresh is not None and step < self.steps:
            self.ledger.sync()
            began = time.perf_counter()
            self.refresh(step)
            self._aside = time.perf_counter() - began
        stop = any(gathered([stops.stop_asked()]))
        if stop and step < self.steps:
            self.stopped = True
            control.should_training_stop = True
        control.should_save = self.stopped or step % self.save_every == 0 or step == self.steps

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.wait()  # every rank has written its part
        self.saved_step = state.global_step // self.updates_per_step
        self._began = time.perf_counter()  # saving is no part of the next step
        if not state.is_world_process_zero:
            return
        self.ledger.sync()
        checkpoints = Path(str(args.output_dir))
        guidance = self.guidance() if self.guidance is not None else None
        trust = self.trust() if self.trust is not None else None
        position = Position(self.saved_step, self.best, self.best_step, self.start, self.last, guidance, trust)
        mark_complete(checkpoints / f"checkpoint-{state.global_step}", position)
        prune(checkpoints, self.keep)
