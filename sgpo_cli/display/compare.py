"""Runs side by side: how their recipes differ and what each reached. It states overlap; it claims no test."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.facts import RunFacts, gather, recipe_differences
from sgpo_cli.display.tables import new_table
from sgpo_cli.runs.rundir import RunDir

RUNS_A_TABLE = 3
"""Columns of runs that 80 characters hold; more runs go into further tables."""
_NAME_WIDTH = 16
"""Characters of a run's name on one line, with that many runs in a table."""


def compare_json(runs: Sequence[RunDir]) -> dict[str, Any]:
    """The document behind `compare_table`."""
    return _document([gather(run) for run in runs])


def _document(facts: list[RunFacts]) -> dict[str, Any]:
    return {
        "runs": [_reached(run) for run in facts],
        "recipe": {difference.key: difference.values for difference in recipe_differences(facts)},
        "benchmarks": {bench: _overlaps(bench, facts) for bench in _benches(facts)},
    }


def _reached(run: RunFacts) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": run.path,
        "finished": run.finished,
        "steps": run.steps,
        "heldout_first": run.heldout[0][1] if run.heldout else None,
        "heldout_last": run.heldout[-1][1] if run.heldout else None,
        "heldout_best": run.best_heldout[1] if run.best_heldout else None,
        "all_negative_first": run.all_negative[0][1] if run.all_negative else None,
        "all_negative_last": run.all_negative[-1][1] if run.all_negative else None,
        "ungraded": run.ungraded_share or None,
        "guidance_first": run.guidance_length[0][1] if run.guidance_length else None,
        "guidance_last": run.guidance_length[-1][1] if run.guidance_length else None,
        "guided_accuracy_last": run.guided_accuracy[-1][1] if run.guided_accuracy else None,
        "shortened": sum(run.shortened.values()) if run.guidance_length else None,
        "train_seconds": run.train_seconds,
        "seconds": run.seconds,
        "benchmarks": {bench["bench"]: bench for bench in run.benches},
    }


def _benches(facts: list[RunFacts]) -> list[str]:
    return list(dict.fromkeys(bench["bench"] for run in facts for bench in run.benches))


def _overlaps(bench: str, facts: list[RunFacts]) -> list[dict[str, Any]]:
    """Each pair of runs that has the bench, with whether their intervals overlap (None when one has no interval)."""
    found = [(run.name, summary) for run in facts for summary in run.benches if summary["bench"] == bench]
    return [
        {"runs": [name, other], "intervals_overlap": _overlap(one.get("ci95"), two.get("ci95"))}
        for (name, one), (other, two) in combinations(found, 2)
    ]


def _overlap(one: Sequence[float] | None, two: Sequence[float] | None) -> bool | None:
    return None if not one or not two else one[0] <= two[1] and two[0] <= one[1]


def compare_table(runs: Sequence[RunDir]) -> RenderableType:
    """What differs in the recipes, what was reached, and for each benchmark whether the intervals overlap."""
    facts = [gather(run) for run in runs]
    document = _document(facts)
    parts: list[RenderableType] = []
    for start in range(0, len(facts), RUNS_A_TABLE):
        chosen = slice(start, start + RUNS_A_TABLE)
        parts += [_recipe_table(facts, chosen), _reached_table(document, chosen)]
    return Group(*parts, *_overlap_lines(document))


def _recipe_table(facts: list[RunFacts], chosen: slice) -> RenderableType:
    """The keys that differ; of a section that another run lacks or has in another kind, only the first key."""
    differences = recipe_differences(facts)
    if not differences:
        return Text("The recipes are the same.", style="quiet")
    table = new_table("recipe", *(heading(run.name) for run in facts[chosen]), title="What differs in the recipes")
    told: set[str] = set()
    left_out = 0
    for difference in differences:
        section = difference.key.rpartition(".")[0]
        if not difference.everywhere and section in told:
            left_out += 1
            continue
        told.add(section)
        table.add_row(difference.key, *(words.DASH if v is None else str(v) for v in difference.values[chosen]))
    note = f"{words.plural(left_out, 'setting')} that only some of them have: --json"
    return Group(table, Text(note, style="quiet")) if left_out else table


def _reached_table(document: Mapping[str, Any], chosen: slice) -> RenderableType:
    runs = document["runs"][chosen]
    names = [heading(run["name"]) for run in runs]
    table = new_table("", *names, title="What they reached", right=range(1, len(runs) + 1))
    rows: list[tuple[str, str, Callable[[float | None], str]]] = [
        ("steps", "steps", words.number),
        ("held-out accuracy, first", "heldout_first", words.share),
        ("held-out accuracy, last", "heldout_last", words.share),
        ("held-out accuracy, best", "heldout_best", words.share),
        ("all-negative groups, first", "all_negative_first", words.percent),
        ("all-negative groups, last", "all_negative_last", words.percent),
        ("ungraded groups", "ungraded", words.percent),
        ("guidance length, first", "guidance_first", words.number),
        ("guidance length, last", "guidance_last", words.number),
        ("guided accuracy, last", "guided_accuracy_last", words.share),
        ("shortened prefixes", "shortened", words.number),
        ("seconds of RL steps", "train_seconds", words.number),
        ("seconds in all", "seconds", words.number),
    ]
    for label, key, write in rows:
        if any(run[key] is not None for run in runs):
            table.add_row(label, *(write(run[key]) for run in runs))
    for bench in document["benchmarks"]:
        table.add_row(bench, *(_score(run["benchmarks"].get(bench)) for run in runs))
    return table


def heading(name: str) -> str:
    """A run's name as lines of a table's head, broken behind `_`, `-` and `.` rather than within a word."""
    lines = [""]
    for part in re.findall(r"[^_.-]+[_.-]*|[_.-]+", name):
        if lines[-1] and len(lines[-1]) + len(part) > _NAME_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _score(summary: Mapping[str, Any] | None) -> str:
    """`0.863 avg@2` with its interval below."""
    if summary is None:
        return words.DASH
    return f"{words.share(summary.get('avg_at_k'))} avg@{summary.get('k')}\n{words.interval(summary.get('ci95'))}"


def _overlap_lines(document: Mapping[str, Any]) -> list[Text]:
    lines = []
    for bench, pairs in document["benchmarks"].items():
        for pair in pairs:
            lines.append(Text(f"{bench}: {' and '.join(pair['runs'])}: {OVERLAP[pair['intervals_overlap']]}"))
    return lines


OVERLAP: dict[bool | None, str] = {
    True: "the 95% intervals overlap: not distinguishable by this",
    False: "the 95% intervals do not overlap",
    None: "no interval: cannot be compared",
}
