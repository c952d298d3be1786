"""The ledger: what became of every group, step by step, in metrics.jsonl and rollouts.jsonl, and as events.

Rank 0 writes; the others hold a ledger that writes nothing. A row of metrics.jsonl is written when the last update of
its step is done, so that both files can be cut back to any checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sgpo_cli.methods.advantages import ZERO_ADVANTAGE
from sgpo_cli.methods.guidance.cut import CutReason
from sgpo_cli.methods.guidance.rounding import half_up
from sgpo_cli.methods.guidance.signal import Signal
from sgpo_cli.methods.outcomes import GroupClass
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.files import JsonLines, keep_jsonl, read_jsonl, writing
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.rollouts import Batch, Rollout

CLASSES: tuple[GroupClass, ...] = ("all_correct", "all_negative", "mixed", "ungraded")
CUT_REASONS: tuple[CutReason, ...] = ("no_trace", "short_trace", "answer", "budget")
FADED_STEPS = 3
"""Steps in a row without a unit of guidance after which it is taken to be over."""
UNTRUSTED_GROUPS = 32
"""Mixed groups after which a judge without weight is worth a warning."""
_LAST = {"epoch", "num_tokens", "learning_rate"}
"""Of TRL's metrics, those that are counters or settings: the last update's value stands, the others are averaged."""


def cut_back(stage: StageDir, step: int) -> None:
    """Drops what was recorded after `step`, the checkpoint's."""
    for path in (stage.metrics, stage.rollouts):
        keep_jsonl(path, lambda row: row["step"] <= step)


class Ledger:
    """Collects one step's batch and updates, and writes its row."""

    def __init__(self, stage: StageDir, events: EventWriter, total: int, *, writes: bool) -> None:
        """`total`: steps of the whole run; `writes`: true on rank 0."""
        self.events = events
        self.total = total
        self.batch: Batch | None = None
        self.updates: list[dict[str, Any]] = []
        self._metrics = JsonLines(stage.metrics) if writes else None
        self._rollouts = JsonLines(stage.rollouts) if writes else None
        self._fallbacks = 0
        self._told_ungraded = False
        self._told_untrusted = False
        self._faded = _faded_before(stage) if writes else 0

    def on_batch(self, batch: Batch) -> None:
        """The rollouts of a step, before its updates."""
        self.batch = batch
        self.updates = []
        if batch.fallback:
            self._fallbacks += 1
            if self._fallbacks == 1:
                self.events.emit(
                    "warning",
                    step=batch.step,
                    what=f"step {batch.step}: the judge abstained on too many rollouts, so this step is plain GRPO; "
                    "later ones are counted in the ledger (judge.fallback)",
                )
        if self._rollouts is not None:
            self._rollouts.extend(_rollout_rows(batch))

    def on_update(self, logs: Mapping[str, Any]) -> None:
        """TRL's figures of one optimizer update."""
        self.updates.append(dict(logs))

    def close_step(
        self, *, seconds: float, heldout: dict[str, Any] | None, heldout_start: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Writes the step's row, tells the world and returns it; `heldout_start` is the measurement before step 1."""
        assert self.batch is not None
        row = metrics_row(self.batch, self.updates, seconds=seconds, heldout=heldout, heldout_start=heldout_start)
        if self._metrics is not None:
            self._metrics.append(row)
        told = (
            "accuracy",
            "steps_right",
            "reward",
            "grad_norm",
            "zero_advantage",
            "groups",
            "guidance",
            "trust",
            "heldout",
            "seconds",
        )
        step = self.batch.step
        if row["groups"]["ungraded"] == row["groups"]["total"] and not self._told_ungraded:
            self._told_ungraded = True
            self.events.emit(
                "warning", step=step, what=f"step {step}: not one group could be graded, so nothing is learned"
            )
        self._watch_guidance(row)
        self._watch_trust()
        self.events.emit("metrics", step=step, total=self.total, **{key: row[key] for key in told})
        self.events.emit("progress", step=step, total=self.total)
        return row

    def _watch_guidance(self, row: Mapping[str, Any]) -> None:
        """Says once when a length that only multiplies has rounded to nothing for some steps: it seldom comes back."""
        assert self.batch is not None
        self._faded = self._faded + 1 if gave_nothing(row) else 0
        guidance = self.batch.guidance
        if guidance is None or not guidance.multiplies or self._faded != FADED_STEPS:
            return
        first = self.batch.step - FADED_STEPS + 1
        self.events.emit(
            "warning",
            step=self.batch.step,
            what=f"guidance has been off since step {first}: its length, now {guidance.length:.2g}, rounds to no unit, "
            "and a rule that multiplies seldom brings it back; guidance.min_length=1 would keep one unit",
        )

    def _watch_trust(self) -> None:
        """Says once when a judge that has been measured on many groups gets no weight at all."""
        assert self.batch is not None
        trust = self.batch.trust
        if trust is None or self._told_untrusted or trust.weight > 0 or trust.groups < UNTRUSTED_GROUPS:
            return
        self._told_untrusted = True
        self.events.emit(
            "warning",
            step=self.batch.step,
            what=f"step {self.batch.step}: in {trust.groups} mixed groups the judge's scores foretold nothing of the "
            f"outcomes (slope {trust.slope:.2f}, chance alone {trust.error:.2f}), so rescued groups have no weight; "
            "the weight is measured further (trust in metrics.jsonl)",
        )

    def sync(self) -> None:
        """Makes the rows durable; called before a checkpoint counts."""
        for file in (self._metrics, self._rollouts):
            if file is not None:
                file.sync()

    def close(self) -> None:
        if self._fallbacks > 1:
            self.events.emit("warning", what=f"{self._fallbacks} steps fell back to plain GRPO (too many abstentions)")
        for file in (self._metrics, self._rollouts):
            if file is not None:
                with writing(file.path):  # closing writes what a full disk did not take
                    file.close()


def gave_nothing(row: Mapping[str, Any]) -> bool:
    """Whether a row of metrics.jsonl tells of guidance whose length rounded to no unit for every problem."""
    guidance = row.get("guidance")
    return guidance is not None and half_up(guidance["length"]) == 0 and not row["groups"]["guided"]


def _faded_before(stage: StageDir) -> int:
    """How many of the last recorded steps gave nothing: a run that goes on counts from there."""
    count = 0
    for row in read_jsonl(stage.metrics) if stage.metrics.exists() else ():
        count = count + 1 if gave_nothing(row) else 0
    return count


def _rollout_rows(batch: Batch) -> Iterable[dict[str, Any]]:
    for number, rows in enumerate(batch.groups()):
        for sample, rollout in enumerate(rows):
            yield rollout.to_json(step=batch.step, group=number, sample=sample)


def metrics_row(
    batch: Batch,
    updates: list[dict[str, Any]],
    *,
    seconds: float,
    heldout: dict[str, Any] | None,
    heldout_start: dict[str, Any] | None,
) -> dict[str, Any]:
    """The row of metrics.jsonl; a figure that is not known is null.

    `steps_right`: mean share of a rollout's steps before its first wrong one, over all rollouts where the task knows
    its steps, else over those that the judge graded. `grad_norm`: before clipping, mean over the step's updates.
    """
    rows = batch.rollouts
    unguided = [rollout for rollout in rows if rollout.prefix_tokens == 0]
    trl = _over_updates(updates)
    return {
        "step": batch.step,
        "accuracy": mean(rollout.outcome for rollout in unguided),
        "steps_right": mean(rollout.steps_right for rollout in unguided),
        "reward": mean(rollout.reward for rollout in rows),
        "loss": trl.get("loss"),
        "grad_norm": trl.get("grad_norm"),
        "entropy": trl.get("entropy"),
        "kl": trl.get("kl"),
        "completion_length": mean(rollout.tokens for rollout in rows),
        "seconds": seconds,
        "zero_advantage": mean(float(abs(rollout.advantage) <= ZERO_ADVANTAGE) for rollout in rows),
        "groups": group_counts(batch),
        "guidance": guidance_figures(batch),
        "judge": {
            **batch.judge.to_json(),
            "judged": batch.judged,
            "measured": batch.measured,
            "abstained": sum(rollout.abstained for rollout in rows),
            "fallback": batch.fallback,
        },
        "trust": None if batch.trust is None else asdict(batch.trust),
        **({} if batch.drift is None else {"drift": asdict(batch.drift)}),
        "heldout": heldout,
        "heldout_start": heldout_start,
        "trl": trl,
    }


def guidance_figures(batch: Batch) -> dict[str, Any] | None:
    """The step's guidance; None in a run without.

    `length` asked for and `fraction` of rollouts in guided places; `accuracy` of the rollouts that have a prefix, and
    the mean `tokens` of those prefixes; the `signal` that the next length follows from, by place and not by prefix;
    then how many rollouts were given less than asked, by reason.
    """
    if batch.guidance is None:
        return None
    prefixed = [rollout for rollout in batch.rollouts if rollout.prefix_tokens > 0]
    reasons = [rollout.shortened for rollout in batch.rollouts]
    return {
        "length": batch.guidance.length,
        "fraction": batch.guidance.fraction,
        "accuracy": mean(rollout.outcome for rollout in prefixed),
        "tokens": mean(rollout.prefix_tokens for rollout in prefixed),
        "signal": _signal(batch.guidance.signal),
        **{reason: reasons.count(reason) for reason in CUT_REASONS},
    }


def _signal(signal: Signal | None) -> dict[str, float | None] | None:
    """The means that schedules go by: of all rollouts, and of those in unguided and in guided places."""
    if signal is None:
        return None
    return {"all": signal.accuracy, "unguided": signal.unguided, "guided": signal.guided}


def group_counts(batch: Batch) -> dict[str, int]:
    """How many groups were what: by outcome (these four sum to total), rescued, and with at least one ... rollout.

    `rescued_parts`: groups that are not all-negative, because a guided rollout was right or could not be graded, whose
    unguided rollouts were all wrong and got a non-zero advantage from the rescue; `rescued` does not count them.
    """

    def holding(rows_with: Any) -> int:
        return sum(any(rows_with(rollout) for rollout in rows) for rows in batch.groups())

    def abstained(rollout: Rollout) -> bool:
        return rollout.abstained

    def guided(rollout: Rollout) -> bool:
        return rollout.prefix_tokens > 0

    def truncated(rollout: Rollout) -> bool:
        return rollout.truncated

    counts: dict[str, int] = {kind: batch.kinds.count(kind) for kind in CLASSES}
    return {
        "total": len(batch.kinds),
        **counts,
        "rescued": sum(batch.rescued),
        "rescued_parts": sum(
            kind != "all_negative" and any(map(_rescued, rows))
            for kind, rows in zip(batch.kinds, batch.groups(), strict=True)
        ),
        "abstained": holding(abstained),
        "guided": holding(guided),
        "truncated": holding(truncated),
    }


def _rescued(rollout: Rollout) -> bool:
    return rollout.reason == "rescued" and abs(rollout.advantage) > ZERO_ADVANTAGE


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the known values; None when there are none."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _over_updates(updates: list[dict[str, Any]]) -> dict[str, Any]:
    """TRL's metrics of a step: averaged over the updates that report them."""
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for update in updates for key in update):
        values = [update[key] for update in updates if update.get(key) is not None]
        if values and key in _LAST:
            merged[key] = values[-1]
        else:
            merged[key] = mean(values)
    return merged
