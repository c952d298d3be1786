"""`sgpo compare RUN RUN...`: runs or evaluations side by side."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from sgpo_cli.runs.rundir import RunDir


def compare(
    runs: Annotated[list[str], typer.Argument(help="Two runs or more, or what sgpo eval left.", metavar="RUN RUN...")],
    as_json: Json = False,
) -> None:
    """Put runs side by side: settings, results, and whether they differ.

    Benchmarks are compared problem by problem; what the samples cannot tell apart is called not distinguishable.
    """
    from sgpo_cli.display.compare import compare_json, compare_table, evals_json, evals_table
    from sgpo_cli.display.console import Screen
    from sgpo_cli.runs.rundir import find_run

    if len(runs) < 2:
        raise UserError("compare takes two runs or more", fix=f"sgpo compare {runs[0]} OTHER")
    screen = Screen.open(as_json=as_json)
    evaluations = [_evaluation(run) for run in runs]
    homes = [found or find_run(run).stage("eval").path for run, found in zip(runs, evaluations, strict=True)]
    _refuse_twice(runs, homes)
    if any(found is not None for found in evaluations):
        named = dict(zip(_names(runs), homes, strict=True))
        pairs = _paired(named)
        screen.show(evals_table(named, pairs), evals_json(named, pairs))
        return
    found: list[RunDir] = [find_run(run) for run in runs]
    pairs = _paired({run.name: run.stage("eval").path for run in found})
    screen.show(compare_table(found, pairs), compare_json(found, pairs))


def _refuse_twice(runs: list[str], homes: list[Path]) -> None:
    places = [home.resolve() for home in homes]
    for at, place in enumerate(places):
        first = places.index(place)
        if first != at:
            same = f"{runs[at]} is named twice" if runs[first] == runs[at] else f"{runs[first]} and {runs[at]} are one"
            raise UserError(f"{same}: there is nothing to compare", fix=f"sgpo compare {runs[first]} OTHER")


def _evaluation(name: str) -> Path | None:
    """The directory of an evaluation by `sgpo eval`, by path or by name under ./runs; None for anything else."""
    from sgpo_cli.runs.rundir import runs_root

    for path in (Path(name), runs_root() / name):
        if not (path / "recipe.yaml").exists() and any(path.glob("*/summary.json")):
            return path
    return None


def _names(runs: list[str]) -> list[str]:
    """The last parts of the paths, where they tell them apart."""
    short = [Path(run).name for run in runs]
    return short if len(set(short)) == len(short) else runs


def _paired(homes: dict[str, Path]) -> dict[str, list[dict[str, Any]]]:
    """Bench -> a comparison of each pair that has its samples, in the order of the runs."""
    from sgpo_cli.evaluation.paired import compare_paired, means_of
    from sgpo_cli.runs.files import read_jsonl

    benches = dict.fromkeys(
        path.parent.name for home in homes.values() for path in sorted(home.glob("*/samples.jsonl"))
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for bench in benches:
        files = {name: home / bench / "samples.jsonl" for name, home in homes.items()}
        means = {name: means_of(list(read_jsonl(file))) for name, file in files.items() if file.exists()}
        found[bench] = [
            {"runs": [one, other], **compare_paired(means[one], means[other]).to_json()}
            for one, other in combinations(means, 2)
        ]
    return found
