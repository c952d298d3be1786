"""Responses made elsewhere (`offline.responses`): read as a whole, and put into groups of the data's problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sgpo_cli.data.jsonl import read_file
from sgpo_cli.data.rows import Row
from sgpo_cli.errors import UserError
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.verdict import Verdict
from sgpo_cli.recipe.words import counted

_SHAPE = 'each row needs the texts "problem" and "response" (docs/offline.md)'


@dataclass(frozen=True, slots=True)
class Fed:
    """A response as its row has it; `verdict` is None where it was not labelled."""

    problem: str
    response: str
    verdict: Verdict | None


@dataclass(slots=True)
class FedGroups:
    """Whole groups, in the order in which their problems come first; `left_out` counts responses by reason."""

    groups: list[tuple[Row, list[Fed]]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def unlabelled(self) -> int:
        """Responses of whole groups without a verdict."""
        return sum(one.verdict is None for _, group in self.groups for one in group)


def read_fed(path: Path) -> list[Fed]:
    """Every row of the file.

    Raises:
        UserError: no rows, or one without problem or response or whose verdict is none, with file and line.
    """
    found = [_fed(row, where) for where, row in read_file(path)]
    if not found:
        raise UserError(f"{path} has no rows", where="offline.responses", fix=_SHAPE)
    return found


def _fed(row: Mapping[str, Any], where: str) -> Fed:
    problem, response = row.get("problem"), row.get("response")
    for name, value in (("problem", problem), ("response", response)):
        if not isinstance(value, str) or (name == "problem" and not value.strip()):
            alone = "; steps do not say what the policy is to learn, to the letter" if row.get("steps") else ""
            raise UserError(f"this row has no {name}{alone if name == 'response' else ''}", where=where, fix=_SHAPE)
    assert isinstance(problem, str) and isinstance(response, str)
    return Fed(problem, response, _verdict(row, response, where))


def _verdict(row: Mapping[str, Any], response: str, where: str) -> Verdict | None:
    told = row.get("verdict")
    if told is None:
        return None
    fix = "what `sgpo judge` writes is read; drop the field to have the response labelled anew"
    if not isinstance(told, Mapping):
        raise UserError(f"the verdict of this row is {told!r}, not an object", where=where, fix=fix)
    try:
        verdict = Verdict.from_json(told)
    except ValueError as wrong:
        raise UserError(f"the verdict of this row is none: {wrong}", where=where, fix=fix) from None
    steps = row["steps"] if isinstance(row.get("steps"), list) else split_steps(response)
    if verdict.num_steps < len(steps):  # a judge may count steps that a response lacks, never fewer than it has
        what = f"the verdict of this row is of {verdict.num_steps} steps, and the response has {len(steps)}"
        raise UserError(what, where=where, fix=fix)
    return verdict


def into_groups(
    fed: Sequence[Fed], rows: Sequence[Row], *, size: int, most: int, fits: Callable[[str], bool] | None = None
) -> FedGroups:
    """The first `most` groups of `size` responses to problems of `rows`; `fits`: whether a response is short enough.

    Raises:
        UserError: not one whole group.
    """
    by_problem: dict[str, Row] = {}
    for row in rows:
        by_problem.setdefault(row.problem, row)
    taken: dict[str, list[Fed]] = {}
    made = FedGroups()
    for one in fed:
        group = taken.setdefault(one.problem, [])
        if one.problem not in by_problem:
            made.left_out[f"of a problem that is not among the {len(rows):,} of the data"] += 1
        elif fits is not None and not fits(one.response):
            made.left_out["longer than trainer.max_completion_length"] += 1
        elif len(group) >= size:
            made.left_out["beyond trainer.group_size"] += 1
        else:
            group.append(one)
    whole = [(by_problem[problem], group) for problem, group in taken.items() if len(group) == size]
    made.left_out["in groups that are not whole"] += sum(len(group) for group in taken.values() if len(group) < size)
    made.left_out["beyond offline.problems"] += size * len(whole[most:])
    made.left_out, made.groups = +made.left_out, whole[:most]
    if not made.groups:
        what = f"not one problem has {size} responses (trainer.group_size), of {len(fed):,}: {counted(made.left_out)}"
        fix = "lower trainer.group_size, or look at data.source (hops draws trainer.steps x prompts_per_step problems)"
        raise UserError(what, where="offline.responses", fix=fix)
    return made
