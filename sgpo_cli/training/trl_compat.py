"""Every private touch of TRL, in one place, guarded by a signature test (tests/training/test_trl_compat.py).

`ScoredBatchTrainer` is TRL's GRPOTrainer with one more public hook, `after_scoring`: it runs once a batch of rollouts,
after TRL has generated and scored it and before the rows are shuffled into updates. Checked against TRL 1.16.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from trl import GRPOTrainer

from sgpo_cli.errors import RunFailed
from sgpo_cli.training.checkpoints import saving
from sgpo_cli.training.rewards import Completion

PRIVATE = {
    "_generate_and_score_completions": ["self", "inputs"],
    "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
    "_save_checkpoint": ["self", "model", "trial"],
}
"""What we override, and the parameters it must have."""


@dataclass(frozen=True)
class ScoredBatch:
    """This rank's rows of a batch of rollouts, with all ranks' rewards: B local rows, N over all ranks, F rewards."""

    inputs: list[dict[str, Any]]
    """B data set rows; the G copies of a problem follow each other, over rank borders too."""
    completions: Sequence[Completion]
    """B responses."""
    completion_ids: Sequence[Sequence[int]]
    """B lists of token ids, EOS included, no padding."""
    rewards: torch.Tensor
    """(N, F), NaN where a reward function returned None."""
    advantages: torch.Tensor
    """(N,), as TRL computed them."""


class ScoredBatchTrainer(GRPOTrainer):
    """GRPOTrainer with a hook on each training batch; without an override of the hook it is GRPOTrainer."""

    _seen: tuple[Sequence[Completion], Sequence[Sequence[int]], torch.Tensor] | None = None

    def after_scoring(self, batch: ScoredBatch) -> torch.Tensor:
        """The advantages to train on, (N,), the same on every rank."""
        return batch.advantages

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._seen = (completions, completion_ids_list, rewards)
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        with _diverging(self.state.global_step):
            output = super()._generate_and_score_completions(inputs)
        if not self.model.training or self._seen is None:
            return output
        completions, ids, rewards = self._seen
        self._seen = None
        local = output["advantages"]
        everyone = self.accelerator.gather(local)
        wanted = self.after_scoring(ScoredBatch(inputs, completions, ids, rewards, everyone))
        if wanted is not everyone:
            start = self.accelerator.process_index * len(inputs)
            output["advantages"] = wanted[start : start + len(inputs)].to(local)
            self._show_advantages(wanted)
        return output

    def _show_advantages(self, advantages: torch.Tensor) -> None:
        """Puts the advantages really used into TRL's table of completions (`log_completions`)."""
        shown = self._logs["advantages"]
        for _ in range(min(len(shown), len(advantages))):
            shown.pop()
        shown.extend(advantages.tolist())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with saving(Path(str(self.args.output_dir))):
            super()._save_checkpoint(model, trial)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """TRL writes a card beside every checkpoint; the run's report is ours to write."""


@contextmanager
def _diverging(update: int) -> Iterator[None]:
    """Sampling from a policy whose weights blew up is torch's RuntimeError; the person needs to know why."""
    try:
        yield
    except RuntimeError as problem:
        if "probability tensor contains" not in str(problem):
            raise
        raise RunFailed(
            f"after update {update} the policy's probabilities are not finite: it has diverged",
            fix="lower trainer.learning_rate",
        ) from problem


def gathered(rows: list[Any]) -> list[Any]:
    """The rows of all ranks, in rank order, on every rank."""
    return gather_object(rows)
