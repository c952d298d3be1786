"""`SgpoTrainer`: TRL's GRPOTrainer whose all-negative groups are rescued. Usable without the command line.

After TRL has scored a batch, the rows of the groups that the rescue takes get the advantages computed in `methods/`
from the outcomes and verdicts of whole groups; every other row keeps TRL's, bit for bit. The judge is called in the
main thread, on this rank's rows only; groups that lie on two ranks are whole groups, because rows are gathered first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.verdict import Judge
from sgpo_cli.methods.groups import RescueMethod
from sgpo_cli.training.judging_rows import judge_rows
from sgpo_cli.training.rescuing import classify_groups, leave_as_grpo, rescue_groups
from sgpo_cli.training.rewards import text_of
from sgpo_cli.training.rollouts import Batch, Rollout
from sgpo_cli.training.trl_compat import ScoredBatch, ScoredBatchTrainer, gathered

StepsRight = Callable[[str, str], float]
"""(problem, response) to the share of its steps before the first wrong one, for tasks that know."""


class SgpoTrainer(ScoredBatchTrainer):
    """GRPOTrainer with a rescue. The data set may have the columns `id`, `problem`, `answer`, `solution` (all text);
    without `problem` the judge reads the prompt."""

    def __init__(
        self,
        *args: Any,
        rescue: RescueMethod,
        judge: Judge | None = None,
        outcome: int = 0,
        max_abstained: float = 1.0,
        then: Literal["fallback", "stop"] = "fallback",
        on_batch: Callable[[Batch], None] | None = None,
        steps_right: StepsRight | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            rescue: from `methods.rescue`; the rest of the arguments are GRPOTrainer's.
            judge: who finds the first wrong step; needed when the rescue wants verdicts.
            outcome: index of the reward function that returns 1, 0 or None.
            max_abstained: largest share of a step's judged rollouts without a usable verdict.
            then: above it, the step is plain GRPO, or `RunFailed`.
            on_batch: called on every rank with the batch, after its advantages are final.
            steps_right: how many of a response's steps are right, where the task itself knows.
        """
        super().__init__(*args, **kwargs)
        if judge is None and rescue.needs_judge:
            raise UserError("this rescue needs a judge", where="rescue", fix="add judge: {card: ...} to the recipe")
        self.rescue = rescue
        self.judge = judge
        self.outcome = outcome
        self.max_abstained = max_abstained
        self.then = then
        self.on_batch = on_batch
        self.steps_right = steps_right

    @property
    def updates_per_step(self) -> int:
        """Optimizer updates made of one batch of rollouts."""
        return self.args.steps_per_generation * self.num_iterations // self.args.gradient_accumulation_steps

    def after_scoring(self, batch: ScoredBatch) -> torch.Tensor:
        rollouts = self._all_rollouts(batch)
        g = self.num_generations
        step = Batch(self.state.global_step // self.updates_per_step + 1, g, rollouts, [], [])
        step.kinds = classify_groups(step)
        leave_as_grpo(step)
        self._judge(step, batch)
        step.fallback = self._too_many_abstained(step)
        changed = rescue_groups(step, self.rescue, self._outcome_weight())
        if self.on_batch is not None:
            self.on_batch(step)
        if not changed:
            return batch.advantages
        advantages = batch.advantages.clone()
        for i in changed:
            advantages[i] = rollouts[i].advantage
        return advantages

    def _all_rollouts(self, batch: ScoredBatch) -> list[Rollout]:
        """Every rank's rows, in order, with their outcomes, rewards and TRL's advantages."""
        local = [self._rollout(*row) for row in zip(batch.inputs, batch.completions, batch.completion_ids, strict=True)]
        rollouts: list[Rollout] = gathered(local)
        weights = self.reward_weights.tolist()
        for rollout, row, advantage in zip(rollouts, batch.rewards.tolist(), batch.advantages.tolist(), strict=True):
            terms = [None if math.isnan(value) else w * value for value, w in zip(row, weights, strict=True)]
            known = [term for term in terms if term is not None]
            rollout.outcome = _outcome(row[self.outcome], rollout.id)
            rollout.reward = math.fsum(known) if known else None
            rollout.other = math.fsum(t for i, t in enumerate(terms) if t is not None and i != self.outcome)
            rollout.advantage = advantage
        return rollouts

    def _rollout(self, row: dict[str, Any], completion: Any, ids: Any) -> Rollout:
        response, problem = text_of(completion), row.get("problem") or text_of(row["prompt"])
        return Rollout(
            id=row.get("id") or "",
            problem=problem,
            reference=row.get("solution"),
            answer=row.get("answer"),
            response=response,
            tokens=len(ids),
            truncated=not ids or ids[-1] not in self.eos_token_ids,
            steps_right=None if self.steps_right is None else self.steps_right(problem, response),
        )

    def _outcome_weight(self) -> float:
        return float(self.reward_weights[self.outcome])

    def _judge(self, step: Batch, batch: ScoredBatch) -> None:
        """Verdicts for the rollouts that the rescue wants judged, each by the rank that holds it."""
        wanted = [w for rows in step.groups() for w in self._wants(rows)]
        step.judged = sum(wanted)
        if self.judge is None or not step.judged:
            return
        start = self.accelerator.process_index * len(batch.inputs)
        mine = [i for i in range(len(batch.inputs)) if wanted[start + i]]
        read, figures = judge_rows(
            self.judge,
            [step.rollouts[start + i] for i in mine],
            [batch.completion_ids[i] for i in mine],
            self.rescue.unit,
            self._decode,
        )
        for i, done in gathered([(start + i, done) for i, done in zip(mine, read, strict=True)]):
            done.onto(step.rollouts[i])
        for one in gathered([figures]):
            step.judge.add(one)

    def _wants(self, rows: list[Rollout]) -> tuple[bool, ...]:
        return self.rescue.wants(tuple(r.outcome for r in rows), tuple(r.truncated for r in rows))

    def _decode(self, ids: Any) -> str:
        return self.processing_class.decode(ids, skip_special_tokens=True)

    def _too_many_abstained(self, step: Batch) -> bool:
        abstained = sum(rollout.abstained for rollout in step.rollouts)
        if not step.judged or abstained / step.judged <= self.max_abstained:
            return False
        if self.then == "stop":
            reasons = [r.verdict.reason for r in step.rollouts if r.verdict is not None and r.verdict.abstained]
            first = reasons[0] if reasons else "nothing to check"
            raise RunFailed(
                f"the judge abstained on {abstained} of {step.judged} rollouts of step {step.step}, more than "
                f"judge.max_abstained ({self.max_abstained:g}) allows; first reason: {first}",
                fix="mend the judge, raise judge.max_abstained, or set judge.then=fallback",
            )
        return True


def _outcome(value: float, sample: str) -> int | None:
    """1, 0, or None for the NaN that TRL makes of a None."""
    if math.isnan(value):
        return None
    if value not in (0.0, 1.0):
        raise RunFailed(
            f"the outcome reward of sample {sample!r} is {value}",
            fix="an outcome is 0, 1 or None; graded rewards are other reward functions",
        )
    return int(value)
