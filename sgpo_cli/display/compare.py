"""Runs side by side: how their recipes differ, what each reached, and what the paired comparison says.

Where samples are missing it can only state whether intervals overlap, and claims no test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.facts import RunFacts, gather, recipe_differences
from sgpo_cli.display.tables import new_table
from sgpo_cli.runs.files import read_json
from sgpo_cli.runs.rundir import RunDir

RUNS_A_TABLE = 3
"""Columns of runs that 80 characters hold; more runs go into further tables."""
_NAME_WIDTH = 16
"""Characters of a run's name on one line, with that many runs in a table."""


Pairs = Mapping[str, Sequence[Mapping[str, Any]]]
"""Bench -> paired comparisons (`evaluation.paired`), each with the names of its two `runs`."""


def compare_json(runs: Sequence[RunDir], pairs: Pairs | None = None) -> dict[str, Any]:
    """The document behind `compare_table`."""
    return _document([gather(run) for run in runs], pairs or {})


def _document(facts: list[RunFacts], pairs: Pairs) -> dict[str, Any]:
    return {
        "runs": [_reached(run) for run in facts],
        "recipe": {difference.key: difference.values for difference in recipe_differences(facts)},
        "benchmarks": {bench: _overlaps(bench, facts, pairs.get(bench, [])) for bench in _benches(facts)},
        "no_common_bench": _strangers({run.name: {bench["bench"]: bench for bench in run.benches} for run in facts}),
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


def _overlaps(bench: str, facts: list[RunFacts], pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each pair of runs that has the bench: the paired comparison where there is one, and whether their intervals
    overlap (None when one has no interval)."""
    known = {tuple(pair["runs"]): pair for pair in pairs}
    found = [(run.name, summary) for run in facts for summary in run.benches if summary["bench"] == bench]
    return [
        {
            "runs": [name, other],
            "intervals_overlap": _overlap(one.get("ci95"), two.get("ci95")),
            "paired": known.get((name, other)),
        }
        for (name, one), (other, two) in combinations(found, 2)
    ]


def _overlap(one: Sequence[float] | None, two: Sequence[float] | None) -> bool | None:
    return None if not one or not two else one[0] <= two[1] and two[0] <= one[1]


def compare_table(runs: Sequence[RunDir], pairs: Pairs | None = None) -> RenderableType:
    """What differs in the recipes, what was reached, and for each benchmark what can be told apart."""
    facts = [gather(run) for run in runs]
    document = _document(facts, pairs or {})
    parts: list[RenderableType] = []
    for start in range(0, len(facts), RUNS_A_TABLE):
        chosen = slice(start, start + RUNS_A_TABLE)
        parts += [_recipe_table(facts, chosen), _reached_table(document, chosen)]
    benches = {run["name"]: run["benchmarks"] for run in document["runs"]}
    return Group(*parts, *_overlap_lines(document), *_strangers_lines(benches))


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
            paired = pair["paired"]
            if paired is not None and paired["difference"] is not None:
                lines.append(Text(f"{bench}: {verdict(pair['runs'], paired)}"))
            else:
                lines.append(Text(f"{bench}: {' and '.join(pair['runs'])}: {OVERLAP[pair['intervals_overlap']]}"))
    return lines


def verdict(names: Sequence[str], pair: Mapping[str, Any]) -> str:
    """A paired comparison in a sentence."""
    size, ci95 = pair["difference"], pair["ci95"]
    how = f"on the same {words.plural(pair['problems'], 'problem')}, p = {pair['p']:.2g}"
    if pair["left_out"]:
        how += f"; {pair['left_out']} that only one has are left out"
    if not pair["distinguishable"]:
        return f"{names[0]} and {names[1]}: not distinguishable (difference {size:+.3f} {words.interval(ci95)} {how})"
    better, worse = names if size > 0 else names[::-1]
    low, high = sorted(abs(bound) for bound in ci95)
    return f"{better} is better than {worse} by {abs(size):.3f} {words.interval([low, high])} ({how})"


def evals_json(homes: Mapping[str, Path], pairs: Pairs) -> dict[str, Any]:
    """The document behind `evals_table`: summaries by name and bench, and the paired comparisons."""
    found = _summaries(homes)
    benchmarks = {bench: list(several) for bench, several in pairs.items()}
    return {"evaluations": found, "benchmarks": benchmarks, "no_common_bench": _strangers(found)}


def evals_table(homes: Mapping[str, Path], pairs: Pairs) -> RenderableType:
    """Evaluations by `sgpo eval` side by side, a row a bench, and what can be told apart."""
    found = _summaries(homes)
    benches = list(dict.fromkeys(bench for summaries in found.values() for bench in summaries))
    parts: list[RenderableType] = []
    names = list(found)
    for start in range(0, len(names), RUNS_A_TABLE):
        chosen = names[start : start + RUNS_A_TABLE]
        table = new_table("bench", *map(heading, chosen), right=range(1, len(chosen) + 1))
        for bench in benches:
            table.add_row(bench, *(_score(found[name].get(bench)) for name in chosen))
        parts.append(table)
    lines = [Text(f"{bench}: {_told(pair)}") for bench, several in pairs.items() for pair in several]
    return Group(*parts, *lines, *_strangers_lines(found))


Benches = Mapping[str, Mapping[str, Any]]
"""Name of a run or evaluation -> its benches."""


def _strangers(benches: Benches) -> list[list[str]]:
    """The pairs that have benches, but none in common."""
    return [
        [one, other]
        for one, other in combinations(benches, 2)
        if benches[one] and benches[other] and not benches[one].keys() & benches[other].keys()
    ]


def _strangers_lines(benches: Benches) -> list[Text]:
    lines = []
    for pair in _strangers(benches):
        has = "; ".join(f"{name} has {', '.join(benches[name])}" for name in pair)
        lines.append(Text(f"{' and '.join(pair)} have no benchmark in common ({has}): nothing says which is better"))
    return lines


def _told(pair: Mapping[str, Any]) -> str:
    if pair["difference"] is None:
        return f"{' and '.join(pair['runs'])}: cannot be compared: {pair['reason']}"
    return verdict(pair["runs"], pair)


def _summaries(homes: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    return {
        name: {path.parent.name: read_json(path) for path in sorted(home.glob("*/summary.json"))}
        for name, home in homes.items()
    }


OVERLAP: dict[bool | None, str] = {
    True: "the 95% intervals overlap: not distinguishable by this",
    False: "the 95% intervals do not overlap",
    None: "no interval: cannot be compared",
}
