"""What the trainer is given beside the policy: rows as a data set, graders, and what a task knows of its own steps."""

from __future__ import annotations

from contextlib import ExitStack

from datasets import Dataset

from sgpo_cli.data import hops
from sgpo_cli.generation.prompts import Prompt
from sgpo_cli.judging.split import split_steps
from sgpo_cli.methods.prefix import steps_score
from sgpo_cli.recipe.schema import HopsTask
from sgpo_cli.training.problems import Problems
from sgpo_cli.training.trainer import StepsRight
from sgpo_cli.verify.pool import Grader


class Graders:
    """One grader for each timeout, closed with the job."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._made: dict[float, Grader] = {}

    def __call__(self, timeout: float) -> Grader:
        if timeout not in self._made:
            self._made[timeout] = self._stack.enter_context(Grader(timeout=timeout))
        return self._made[timeout]


def steps_right_of(task: HopsTask) -> StepsRight:
    """For task `hops`: the share of a response's steps before the first wrong one; steps left out count as wrong."""

    def share(problem: str, response: str) -> float:
        steps = split_steps(response)
        if not steps:
            return 0.0
        return steps_score(
            hops.first_wrong_step(task, problem, steps), max(len(steps), hops.steps_needed(task, problem))
        )

    return share


def as_dataset(problems: Problems, prompts: list[Prompt]) -> Dataset:
    """The rows in the order they are trained on; `row` is the index that our reward functions ask for."""
    rows = [
        {
            "prompt": prompt,
            "row": number,
            "id": row.id,
            "problem": row.problem,
            "answer": row.answer,
            "solution": row.solution,
        }
        for number, (row, prompt) in enumerate(zip(problems.rows, prompts, strict=True))
    ]
    return Dataset.from_list(rows).select(problems.order)
