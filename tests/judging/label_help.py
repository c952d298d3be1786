"""What the tests of labelling share: a judge that says what the problem's number says, rows for it, short calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgpo_cli.errors import RunFailed
from sgpo_cli.judging.labelling.counts import LabelSummary
from sgpo_cli.judging.labelling.items import Rows
from sgpo_cli.judging.labelling.label import Output, label
from sgpo_cli.judging.verdict import Judge, Solution, Verdict

STEPS = ["a", "b", "c"]


def wrong_step(number: int) -> int:
    return number % 4 - 1


class ByNumber:
    """Problem `p7` is wrong where 7 says; `p7x` is an abstention, `p7u` has nothing to check. Stops when told to."""

    name = "by number"

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[str] = []
        self.stop_after = stop_after

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += [solution.problem for solution in solutions]
        return [self.one(solution) for solution in solutions]

    def one(self, solution: Solution) -> Verdict:
        steps = len(solution.steps)
        if solution.problem.endswith("x"):
            return Verdict.abstain("no idea", num_steps=steps, judge=self.name)
        if solution.problem.endswith("u"):
            return Verdict.found(-1, num_steps=steps, checked=0, judge=self.name)
        found = wrong_step(int(solution.problem[1:])) if steps else -1
        return Verdict.found(found, num_steps=steps, judge=self.name)


class Notes(ByNumber):
    """Writes down what it judged, for it works in other processes; gives up on p700 while `trouble` is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def one(self, solution: Solution) -> Verdict:
        if solution.problem == "p700" and (self.folder / "trouble").exists():
            raise RunFailed("in trouble", fix="mend it")
        with (self.folder / "judged.txt").open("a") as stream:
            stream.write(solution.problem + "\n")
        return super().one(solution)


class OpenNotes:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, processes: int) -> Notes:
        assert processes == 2
        return Notes(self.folder)


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"problem": f"p{i}", "steps": STEPS, "n": i, **more} for i in range(count)]


def write(path: Path, what: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in what))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def judged(source: Rows, out: Path | str, judge: Judge | None = None, **more: Any) -> LabelSummary:
    options: dict[str, Any] = {"fingerprint": "f", "on_progress": lambda _: None, **more}
    shape = {name: options.pop(name) for name in ("schema", "overwrite") if name in options}
    return label(source, Output.named(str(out), **shape), judge or ByNumber(), **options)
