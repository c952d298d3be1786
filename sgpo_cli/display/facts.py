"""The facts of a run, gathered from its files once, for tables and report alike. A missing file is a missing fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from sgpo_cli.display import readable
from sgpo_cli.display.guidance import CUTS
from sgpo_cli.display.judging import total_usage
from sgpo_cli.display.state import how_it_ended, warning_text
from sgpo_cli.display.trust import trust_line
from sgpo_cli.recipe.nodes import Findings, to_plain
from sgpo_cli.recipe.yamlio import read_file
from sgpo_cli.runs.rundir import RunDir, StageDir

Point = tuple[int, float]
StageStatus = Literal["done", "unfinished", "stopped", "failed", "not run"]


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage: its status, and the seconds it worked, over all its sessions; `shared` with other runs."""

    name: str
    kind: str
    status: StageStatus
    seconds: float | None
    sessions: int
    shared: bool


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run is and where it came to. Curves are (step, value) pairs of known values."""

    name: str
    path: str
    finished: bool
    recipe: dict[str, Any]
    steps: int
    stages: list[StageFacts]
    accuracy: list[Point] = field(default_factory=list)
    heldout: list[Point] = field(default_factory=list)
    all_negative: list[Point] = field(default_factory=list)
    """Share of all groups, at steps where any group was graded."""
    ungraded_share: float | None = None
    """Share of the whole run's groups whose outcomes are not known."""
    rescued: list[Point] = field(default_factory=list)
    """Share of the all-negative groups, at steps that had any."""
    rescued_share: float | None = None
    """The same over the whole run."""
    guidance_length: list[Point] = field(default_factory=list)
    """In the recipe's unit; empty without guidance."""
    guided_accuracy: list[Point] = field(default_factory=list)
    """Of the guided rollouts; `accuracy` is of the others."""
    shortened: dict[str, int] = field(default_factory=dict)
    """Guided rollouts of the whole run that got less than asked, by reason."""
    trust: str | None = None
    """The judge's weight and what it rests on, in words; None where every judge has full weight."""
    drift: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Of a run on fixed responses: (step, `ratio, log_ratio, outside`); empty where rollouts are the policy's own."""
    train_seconds: float | None = None
    """Sum over the steps."""
    benches: list[dict[str, Any]] = field(default_factory=list)
    judge: dict[str, Any] | None = None
    judge_usage: dict[str, Any] | None = None
    """What judging cost during training; None when nothing was judged."""
    warnings: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """Of all stages that ran for this run; a shared stage counts, it was needed."""
        known = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(known) if known else None

    @property
    def best_heldout(self) -> Point | None:
        """The largest held-out accuracy, and the first step that had it."""
        return max(self.heldout, key=lambda point: (point[1], -point[0]), default=None)

    @property
    def train_status(self) -> StageStatus:
        return next((stage.status for stage in self.stages if stage.kind == "train"), "not run")

    @property
    def trains_policy(self) -> bool:
        """False of a recipe with a judge section only."""
        return not self.stages or any(stage.kind == "train" for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": self.seconds, "best_heldout": self.best_heldout}


def gather(run: RunDir) -> RunFacts:
    """Reads a run's files; `UserError` names one that is damaged."""
    rows = metrics(run)
    with readable.reading(run.stage("train").metrics):
        return _facts(run, rows)


def metrics(run: RunDir) -> list[dict[str, Any]]:
    """The train stage's rows, one a step."""
    return list(readable.rows(run.stage("train").metrics))


def _facts(run: RunDir, rows: list[dict[str, Any]]) -> RunFacts:
    judge = run.stage("judge").measures
    return RunFacts(
        name=run.name,
        path=str(run.path),
        finished=run.done.exists(),
        recipe=_recipe(run),
        steps=max((row["step"] for row in rows), default=0),
        stages=_stages(run),
        accuracy=_curve(rows, lambda row: row.get("accuracy")),
        heldout=heldout_curve(rows, "accuracy"),
        all_negative=_curve(rows, _all_negative),
        ungraded_share=_overall(rows, "ungraded", "total"),
        rescued=_curve(rows, lambda row: _ratio(row.get("groups"), "rescued", "all_negative")),
        rescued_share=_overall(rows, "rescued", "all_negative"),
        guidance_length=guidance_curve(rows, "length"),
        guided_accuracy=guidance_curve(rows, "accuracy"),
        shortened=shortened_counts(rows),
        trust=trust_line(rows),
        drift=[(row["step"], row["drift"]) for row in rows if row.get("drift")],
        train_seconds=sum(row.get("seconds") or 0.0 for row in rows) if rows else None,
        benches=[_summary(path) for path in sorted(run.stage("eval").path.glob("*/summary.json"))],
        judge=readable.document(judge) if judge.exists() else None,
        judge_usage=total_usage(rows),
        warnings=_warnings(run),
    )


def _recipe(run: RunDir) -> dict[str, Any]:
    if not run.recipe.exists():
        return {}
    found: dict[str, Any] = to_plain(read_file(run.recipe, Findings()))
    return found


def _summary(path: Path) -> dict[str, Any]:
    summary = readable.document(path)
    with readable.reading(path):
        return {**summary, "bench": str(summary["bench"])}


def _curve(rows: list[dict[str, Any]], pick: Any) -> list[Point]:
    return [(row["step"], value) for row in rows if (value := pick(row)) is not None]


def guidance_curve(rows: list[dict[str, Any]], key: str) -> list[Point]:
    """A figure of the rows' `guidance`, at the steps where it is known."""
    return _curve(rows, lambda row: (row.get("guidance") or {}).get(key))


def shortened_counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Guided rollouts that got less than asked, summed over the steps, by reason; only reasons that occurred."""
    sums = {reason: sum((row.get("guidance") or {}).get(reason) or 0 for row in rows) for reason in CUTS}
    return {reason: count for reason, count in sums.items() if count}


def heldout_curve(rows: list[dict[str, Any]], key: str) -> list[Point]:
    """A held-out figure over steps; the measurement before the first step stands in that step's row."""
    before = [(row["step"] - 1, row.get("heldout_start")) for row in rows]
    points = [*before, *((row["step"], row.get("heldout")) for row in rows)]
    return sorted((step, found[key]) for step, found in points if found and found.get(key) is not None)


def _ratio(groups: Mapping[str, int | None] | None, part: str, whole: str) -> float | None:
    if not groups or not groups.get(whole):
        return None
    return (groups.get(part) or 0) / (groups[whole] or 1)


def _all_negative(row: Mapping[str, Any]) -> float | None:
    """None where nothing was graded: no group is known to be all-negative then, and none not to be."""
    groups = row.get("groups") or {}
    graded = (groups.get("total") or 0) > (groups.get("ungraded") or 0)
    return _ratio(groups, "all_negative", "total") if graded else None


def _overall(rows: list[dict[str, Any]], part: str, whole: str) -> float | None:
    """The ratio of two group counts summed over all steps."""
    sums = {key: sum((row.get("groups") or {}).get(key) or 0 for row in rows) for key in (part, whole)}
    return sums[part] / sums[whole] if sums[whole] else None


def _stages(run: RunDir) -> list[StageFacts]:
    planned = readable.document(run.plan) if run.plan.exists() else {"stages": []}
    with readable.reading(run.plan):
        names = [(str(stage["name"]), str(stage.get("kind") or stage["name"])) for stage in planned["stages"]]
    return [_stage(name, kind, run.stage(name)) for name, kind in names]


def _stage(name: str, kind: str, stage: StageDir) -> StageFacts:
    seconds, sessions, end = _worked(stage)
    status: StageStatus = "not run" if sessions == 0 else end
    if stage.done.exists():
        status = "done"
    return StageFacts(name, kind, status, seconds, sessions, shared=stage.path.is_symlink())


def _worked(stage: StageDir) -> tuple[float | None, int, Literal["unfinished", "stopped", "failed"]]:
    """Seconds of work, sessions, and how the last one ended: a killed session ends with its last event."""
    events = readable.events(stage.events)
    starts = [i for i, event in enumerate(events) if event.event == "started"]
    if not starts:
        return None, 0, "unfinished"
    bounds = pairwise([*starts, len(events)])
    worked = sum(events[b - 1].time - events[a].time for a, b in bounds)
    return worked, len(starts), how_it_ended(events[-1]) if events[-1].event == "failed" else "unfinished"


def _warnings(run: RunDir) -> list[str]:
    """The plan's warnings and those of the stages, equal ones once, in order."""
    planned = readable.document(run.plan).get("warnings") or [] if run.plan.exists() else []
    with readable.reading(run.plan):
        said = [_finding(warning) for warning in planned]
    told = [f"{e.stage}: {warning_text(e)}" for e in readable.events(run.events) if e.event == "warning"]
    counts: dict[str, int] = {}
    for text in [*said, *told]:
        counts[text] = counts.get(text, 0) + 1
    return [text if count == 1 else f"{text} ({count} times)" for text, count in counts.items()]


def _finding(warning: Mapping[str, Any] | str) -> str:
    """A warning of plan.json (`what, where, fix`) on one line."""
    if isinstance(warning, str):
        return warning
    place = f"{warning['where']}: " if warning.get("where") else ""
    advice = f"; {warning['fix']}" if warning.get("fix") else ""
    return f"{place}{warning['what']}{advice}"


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """A recipe's leaves by dotted path; an empty section is a leaf."""
    if isinstance(value, dict) and value:
        return {k: v for key, part in value.items() for k, v in flat(part, f"{path}.{key}" if path else key).items()}
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return {k: v for i, part in enumerate(value) for k, v in flat(part, f"{path}.{i}").items()}
    return {path: value}


@dataclass(frozen=True, slots=True)
class Difference:
    """A recipe key that is not the same in all runs. `everywhere`: every run has it (a kind brings its own keys)."""

    key: str
    values: list[Any]
    everywhere: bool


def recipe_differences(runs: list[RunFacts]) -> list[Difference]:
    """The keys that differ, in the recipes' order, with each run's value (None where the key is absent)."""
    leaves = [flat({k: v for k, v in run.recipe.items() if k != "name"}) for run in runs]
    found = []
    for key in dict.fromkeys(key for leaf in leaves for key in leaf):
        values = [leaf.get(key) for leaf in leaves]
        if any(value != values[0] for value in values):
            found.append(Difference(key, values, all(key in leaf for leaf in leaves)))
    return found
