"""Fixed rollouts that a policy learns from: read from a stage's file, handed out by place, and how far it has drifted.

A row of the file: `group, sample, id, problem, response, ids, logprobs, outcome, truncated` and, of responses that came
labelled, `verdict`. `logprobs` are those of the policy before RL: importance ratios are taken against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.runs.files import read_jsonl


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """Token ids of a response, EOS included, and the log-probability of each when it was made."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """The responses to one problem; `id` and `problem` are its row's."""

    id: str
    problem: str
    rollouts: tuple[StoredRollout, ...]


def read_groups(path: Path, size: int) -> list[StoredGroup]:
    """The groups of a stage's file, in order. `RunFailed` for a file that is not what the stage wrote."""
    groups: list[StoredGroup] = []
    rows: list[dict[str, Any]] = []
    for row in read_jsonl(path):
        rows.append(row)
        if len(rows) < size:
            continue
        made = tuple(StoredRollout(tuple(one["ids"]), tuple(one["logprobs"])) for one in rows)
        if len({one["group"] for one in rows}) > 1 or any(len(one.ids) != len(one.logprobs) for one in made):
            raise RunFailed(f"{path} is damaged at group {row['group']}", fix="start over: --restart")
        groups.append(StoredGroup(row["id"], row["problem"], made))
        rows = []
    return groups


def rows_of(groups: Sequence[StoredGroup], rows: Sequence[Row]) -> list[Row]:
    """The problems' rows in the groups' order. `UserError` for a group whose problem the data do not hold."""
    by_id = {row.id: row for row in rows}
    found = [by_id.get(group.id) for group in groups]
    lost = next((group.id for group, row in zip(groups, found, strict=True) if row is None), None)
    if lost is not None:
        raise UserError(f"a stored group is of problem {lost!r}, which data.source does not hold")
    return [row for row in found if row is not None]


class StoredJudge:
    """Says of a response what was said when it was labelled; of any other it says nothing."""

    def __init__(self, name: str, verdicts: dict[tuple[str, tuple[str, ...]], Verdict]) -> None:
        self.name = name
        self._verdicts = verdicts

    @classmethod
    def read(cls, path: Path) -> StoredJudge:
        """From rows with `problem`, `steps` (or `response`) and `verdict`; those without a verdict are passed over."""
        verdicts: dict[tuple[str, tuple[str, ...]], Verdict] = {}
        for row in read_jsonl(path):
            if row.get("verdict") is not None:
                steps = row["steps"] if row.get("steps") is not None else split_steps(row["response"])
                verdicts[row["problem"], tuple(steps)] = Verdict.from_json(row["verdict"])
        return cls(next((verdict.judge for verdict in verdicts.values()), "stored"), verdicts)

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        return [self._one(solution) for solution in solutions]

    def _one(self, solution: Solution) -> Verdict:
        found = self._verdicts.get((solution.problem, solution.steps))
        if found is not None:
            return found
        return Verdict.abstain("not among the labelled responses", num_steps=len(solution.steps), judge=self.name)
