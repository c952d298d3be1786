"""The oracle of the built-in task `hops`: knows every fact, so it finds the first wrong step without fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sgpo_cli.data.hops import first_wrong_step, parse_problem, steps_needed
from sgpo_cli.errors import UserError
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.schema import HopsTask


class HopsOracle:
    """Checks each hop against the task's facts; abstains on a problem that is not of the task.

    `num_steps` of a response shorter than a full solution is the full solution's: the steps it left out count.
    Otherwise the prefix score pays for answering early (two right hops and an answer: 2 of 3; two right hops in a whole
    chain: 2 of 11). Measured from a warm start that answers early in a fifth of its responses: with a response's own
    length the policy fell from 9.5 to 2.9 steps within 20 RL steps and never got beyond .012 accuracy; with the full
    length it went back to 11 steps and to .70 after 60. A response longer than a full solution keeps its own length.
    """

    name = "hops_oracle"

    def __init__(self, task: HopsTask) -> None:
        self.task = task

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [self._one(solution) for solution in solutions]

    def _one(self, solution: Solution) -> Verdict:
        steps = solution.steps
        if parse_problem(self.task, solution.problem) is None:
            return Verdict.abstain("not a problem of task hops", num_steps=len(steps), judge=self.name)
        if not steps:
            return Verdict.found(-1, num_steps=0, judge=self.name)
        return Verdict.found(
            first_wrong_step(self.task, solution.problem, steps),
            num_steps=max(len(steps), steps_needed(self.task, solution.problem)),
            checked=len(steps),
            judge=self.name,
        )


def from_options(options: Mapping[str, object]) -> HopsOracle:
    """The oracle for `options["task"]`, a HopsTask; without one, for the task's default settings."""
    task = options.get("task", HopsTask())
    if not isinstance(task, HopsTask) or options.keys() - {"task"}:
        raise UserError(f"judge hops_oracle takes the settings of task hops and nothing else, not {dict(options)}")
    return HopsOracle(task)
