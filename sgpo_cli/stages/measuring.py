"""A judge against labels: its figures, and the floor below which a run stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.data.hops import first_wrong_step
from sgpo_cli.errors import RunFailed
from sgpo_cli.judging.labelling.labelled import read_labelled
from sgpo_cli.judging.learned.closeness import Closeness, closeness
from sgpo_cli.judging.learned.rows import read_rows
from sgpo_cli.judging.measure import Measures, processbench
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Floor, JudgeUse
from sgpo_cli.stages.context import StageContext

_FIGURES = {"f1": "F1", "exact": "exact first errors", "correlation": "correlation"}
Rollouts = tuple[Sequence[Solution], Sequence[Verdict]]
Pair = tuple[Verdict, int]
"""A verdict and the true index of the first wrong step, -1 for none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a judge came to on `source`; without labels neither, and the `reason`."""

    measures: Measures | None
    closeness: Closeness | None
    source: str | None
    reason: str | None
    pairs: tuple[Pair, ...] = ()
    """What the figures are made of."""

    def to_json(self) -> dict[str, Any]:
        return {
            "measured_on": self.source,
            "measures": self.measures.to_json() if self.measures else None,
            "closeness": self.closeness.to_json() if self.closeness else None,
            "reason": self.reason,
        }


def measure(context: StageContext, use: JudgeUse, judge: Judge, rollouts: Rollouts | None) -> Figures:
    """The judge on labelled responses: those of `judge.floor.data`, else the warm start's `rollouts` where the task
    labels its own, else those that stage `judge_train` set aside."""
    recipe = context.recipe
    if use.floor is not None and use.floor.data is not None:
        return _read(judge, read_labelled(Path(use.floor.data)), use.floor.data)
    if rollouts is not None and recipe.data.source == "hops" and not only_judge(recipe):
        solutions, verdicts = rollouts
        truth = [first_wrong_step(recipe.data.hops, s.problem, s.steps) for s in solutions]
        return _figures(solutions, verdicts, truth, "warm-start rollouts")
    trained = context.inputs.get("judge")
    held = Path(trained).parent / "heldout.jsonl" if trained is not None else None
    if held is not None and held.exists() and held.stat().st_size:
        rows = [(Solution(row.problem, row.steps), row.first_error) for row in read_rows(held)]
        return _read(judge, rows, "held-out labels")
    return Figures(None, None, None, "no labelled steps: name a file of them in judge.floor.data")


def _read(judge: Judge, rows: Sequence[tuple[Solution, int]], source: str) -> Figures:
    solutions = [solution for solution, _ in rows]
    return _figures(solutions, judge.judge(solutions), [label for _, label in rows], source)


def _figures(solutions: Sequence[Solution], verdicts: Sequence[Verdict], truth: Sequence[int], source: str) -> Figures:
    pairs = tuple(zip(verdicts, truth, strict=True))
    measures = processbench(pairs)
    close = closeness(verdicts, truth, [len(solution.steps) for solution in solutions])
    return Figures(measures, close, source, None, pairs)


def refuse_below_floor(context: StageContext, use: JudgeUse, found: Figures) -> None:
    """Stops the run when the judge is below its floor, or when a floor is asked for and nothing was measured."""
    floor, asked = use.floor, asked_of(use)
    if floor is None or asked is None:
        return
    if found.measures is None or found.closeness is None:
        told = ", ".join(f"{_FIGURES[name]} {least:.2f}" for name, least in asked.items())
        raise RunFailed(
            f"judge {use.card} has a floor of {told} but could not be measured: {found.reason}",
            fix="name labelled steps in judge.floor.data, or set judge.floor=null",
        )
    held = {
        "exact": (_FIGURES["exact"], found.closeness.exact, floor.exact),
        "correlation": (_FIGURES["correlation"], found.closeness.correlation, floor.correlation),
        "f1": (*_f1(context, found.measures, floor), floor.f1),
    }
    for key, (name, value, least) in held.items():
        if least is not None and (value is None or value < least):
            raise RunFailed(
                f"judge {use.card} is below its floor: {name} {value or 0:.3f} < {least:.3f}",
                fix=f"a bad judge is worse than none: {_instead(use)}, or lower judge.floor.{key}",
            )


def _f1(context: StageContext, measures: Measures, floor: Floor) -> tuple[str, float | None]:
    """F1 needs both kinds of rows; a weak policy may give none without a wrong step."""
    if measures.f1 is not None or floor.f1 is None:
        return "F1", measures.f1
    name, value = (
        ("acc_error", measures.acc_error) if measures.acc_error is not None else ("acc_correct", measures.acc_correct)
    )
    context.events.emit("warning", what=f"F1 needs rows with and without a wrong step: the floor is held to {name}")
    return name, value


def asked_of(use: JudgeUse) -> dict[str, float] | None:
    """The floor's figures that are asked for, by name; None without a floor."""
    if use.floor is None:
        return None
    least = {"f1": use.floor.f1, "exact": use.floor.exact, "correlation": use.floor.correlation}
    return {name: value for name, value in least.items() if value is not None}


def _instead(use: JudgeUse) -> str:
    if use.train is not None:
        return "train it longer or on more labels (judge.train)"
    return "choose another (sgpo list judges)"
