"""The `learned` judge: the model that `judge.train` left, read as a process reward model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.judging.process_reward.judge import ProcessRewardJudge
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.judgecards import LearnedCard, ProcessRewardCard
from sgpo_cli.recipe.walker import from_dict

NAME = "learned"


class LearnedJudge:
    """A process reward judge over a folder; `reopen` reads a newer one.

    `reference_steps`: a response of fewer steps than its reference solution counts as many as that, and one in which no
    wrong step is found is wrong in its last step, which ended it too soon (as HopsOracle has it). Otherwise the prefix
    score pays for answering early, and a policy learns to: it finds the early answers that the judge takes for right.
    """

    name = NAME

    def __init__(self, card: LearnedCard, folder: Path, *, max_length: int, reference_steps: bool) -> None:
        self.card = card
        self.folder = folder
        self.max_length = max_length
        self.reference_steps = reference_steps
        self._inner = self._open(folder)

    def _open(self, folder: Path) -> ProcessRewardJudge:
        return ProcessRewardJudge(
            ProcessRewardCard(
                model=str(folder),
                style="token_classification",
                threshold=self.card.threshold,
                device=self.card.device,
                dtype=self.card.dtype,
                batch_tokens=self.card.batch_tokens,
                max_length=self.max_length,
            )
        )

    def reopen(self, folder: Path) -> None:
        """Reads another folder from the next question on."""
        self.folder = folder
        self._inner = self._open(folder)

    def close(self) -> None:
        self._inner.close()

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        found = self._inner.judge(solutions)
        return [self._counted(solution, verdict) for solution, verdict in zip(solutions, found, strict=True)]

    def _counted(self, solution: Solution, verdict: Verdict) -> Verdict:
        """The verdict under this judge's name, with the steps that the response lacks."""
        steps = len(solution.steps)
        if verdict.first_error is None:
            return Verdict.abstain(verdict.reason or "abstained", num_steps=steps, judge=NAME)
        needed = steps
        if steps and self.reference_steps and solution.reference:
            needed = max(steps, len(split_steps(solution.reference)))
        first_error, reason = verdict.first_error, verdict.reason
        if first_error < 0 and steps < needed:
            first_error, reason = steps - 1, f"ends after {steps} of {needed} steps"
        return Verdict.found(first_error, num_steps=needed, judge=NAME, checked=verdict.checked, reason=reason)


def from_options(options: Mapping[str, object]) -> LearnedJudge:
    """The judge of a card's options, and `folder`, `max_length`, `reference_steps` of the recipe that trained it.

    Raises:
        UserError: no recipe trained one.
    """
    rest: dict[str, Any] = dict(options)
    folder = rest.pop("folder", None)
    if folder is None:
        raise UserError(
            "card learned is the judge that a recipe trains, and there is no such recipe here",
            fix="write judge.train in the recipe, or name the card that its training left: "
            "--judge runs/NAME/stages/judge_train/card.yaml",
        )
    max_length, reference_steps = rest.pop("max_length"), rest.pop("reference_steps")
    card = from_dict(LearnedCard, {**rest, "kind": NAME})
    return LearnedJudge(card, Path(folder), max_length=max_length, reference_steps=reference_steps)
