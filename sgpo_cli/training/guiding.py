"""Guided rollouts: who starts from how much of which trace, and what the schedule learns from the outcome.

Every rank holds a `Guide` and plans its own rows; state changes only by `learn`, from the gathered batch, so that it is
the same everywhere. It is asked for training batches only: evaluation has no guidance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import Prompt
from sgpo_cli.methods.guidance.allocate import guided_count, is_guided
from sgpo_cli.methods.guidance.schedule import Schedule
from sgpo_cli.methods.guidance.signal import GroupSeen, summarise
from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.training.rollouts import Batch, GuidanceFigures, Rollout
from sgpo_cli.training.trace_warnings import cut_warnings
from sgpo_cli.training.traces import Start, Trace, read_trace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ALONE = Start()
_KEPT_TOKENS = 1_000_000
"""Tokens of traces that are kept once read; those of rows beyond are read again when they are asked."""


class Guide:
    """The guidance of one run: its schedule, the schedule's state, and the cutting of traces."""

    def __init__(
        self,
        config: Guided,
        *,
        schedule: Schedule[Any],
        group_size: int,
        budget: int,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        """
        Args:
            config: the recipe's `guidance` section.
            schedule: what `methods.guidance.load_guidance` made of it.
            group_size: rollouts a group.
            budget: `trainer.max_completion_length`, in tokens.
            tokenizer: the policy's.
        """
        count = guided_count(config.fraction, group_size)
        if count == 0:
            raise UserError(
                f"guidance.fraction {config.fraction:g} of {group_size} rollouts rounds to no rollout",
                where="guidance.fraction",
                fix="raise it, or write guidance: {kind: none}",
            )
        self.config = config
        self.budget = budget
        self.group_size = group_size
        self.share = count / group_size
        self.schedule = schedule
        self.state = self.schedule.start()
        self._tokenizer = tokenizer
        self._traces: dict[tuple[str, str, str | None, str | None], Trace] = {}
        self._kept = 0

    @property
    def room(self) -> int | None:
        """Tokens of a whole response, prefix included; None when the prefix comes on top of what is sampled."""
        return self.budget if self.config.budget == "shared" else None

    @property
    def judges_all(self) -> bool:
        """Whether every rollout of an all-negative group is to be judged, whatever the rescue wants."""
        return self.config.kind == "judged"

    def starts(self, rows: Sequence[Mapping[str, Any]], first: int) -> list[Start]:
        """What this rank's rows start from; `first` is the number of the first of them among all ranks' rows."""
        made: list[Start] = []
        cached: tuple[int, Start] | None = None
        for number, row in enumerate(rows, start=first):
            if not is_guided(number, self.config.fraction, self.group_size):
                made.append(_ALONE)
                continue
            group = number // self.group_size
            if cached is None or cached[0] != group:  # a group's guided rollouts all start from the same prefix
                length = self.schedule.length(self.state, row["id"])
                trace = self.trace(row["id"], row["prompt"], row["solution"], row["answer"])
                cached = (group, trace.start(length, self.config, self.budget))
            made.append(cached[1])
        return made

    def trace(self, row: str, prompt: Prompt, solution: str | None, answer: str | None) -> Trace:
        """The trace of the row with this id."""
        key = (row, repr(prompt), solution, answer)
        known = self._traces.get(key)
        if known is not None:
            return known
        made = read_trace(row, prompt, solution, answer, self._tokenizer)
        if self._kept + len(made.ids) <= _KEPT_TOKENS:
            self._traces[key] = made
            self._kept += len(made.ids)
        return made

    def learn(self, batch: Batch) -> None:
        """Takes in a step's gathered outcomes and verdicts; notes in the batch what the step was guided by."""
        signal = summarise(batch.step, map(_seen, batch.groups()))
        multiplies = self.config.kind == "adaptive"
        batch.guidance = GuidanceFigures(self.schedule.mean_length(self.state), self.share, signal, multiplies)
        self.state = self.schedule.update(self.state, signal)

    def save(self) -> dict[str, Any]:
        """The controller's state, for a checkpoint."""
        return self.schedule.to_json(self.state)

    def restore(self, saved: dict[str, Any]) -> None:
        """Goes on from what `save` gave."""
        self.state = self.schedule.from_json(saved)


def _seen(rows: list[Rollout]) -> GroupSeen:
    return GroupSeen(
        problem=rows[0].id,
        outcomes=[rollout.outcome for rollout in rows],
        guided=[rollout.guided for rollout in rows],
        first_errors=[None if r.verdict is None or r.abstained else r.verdict.first_error for r in rows],
        trace_steps=next((rollout.trace_steps for rollout in rows if rollout.trace_steps is not None), None),
    )


def look_at_traces(guide: Guide, rows: Sequence[Row], prompts: Sequence[Prompt]) -> list[str]:
    """Cuts every row's trace at the recipe's first length; what to warn of.

    Raises:
        UserError: no row has anything to start from, or a solution cannot be injected at all (its row is named).
    """
    length = float(guide.config.length)
    starts = [
        guide.trace(row.id, prompt, row.solution, row.answer).start(length, guide.config, guide.budget)
        for row, prompt in zip(rows, prompts, strict=True)
    ]
    return cut_warnings(guide.config, rows, starts)
