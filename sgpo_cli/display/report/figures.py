"""The report's charts, from the rows of train/metrics.jsonl. A figure without a single known value is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgpo_cli.display import words
from sgpo_cli.display.facts import guidance_curve, heldout_curve, shortened_counts
from sgpo_cli.display.guidance import shortened
from sgpo_cli.display.report.svg import Series, area_chart, line_chart
from sgpo_cli.display.trust import evidence_line

Row = Mapping[str, Any]

# Bottom to top. `rescued` is hatched over the all-negative layer, of which it is a part.
LAYERS = (
    ("all_negative", "all-negative"),
    ("mixed", "mixed"),
    ("all_correct", "all-correct"),
    ("ungraded", "ungraded"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its legend (css class and name of each curve) and what to see in it."""

    title: str
    svg: str
    legend: list[tuple[str, str]]
    caption: str


def figures(rows: list[dict[str, Any]], *, unit: str = "steps") -> list[Figure]:
    """Accuracy, groups by class, guidance, gradient norm, zero-advantage share; none before training."""
    drawn = [
        _accuracy(rows),
        _groups(rows),
        _trust(rows),
        _guidance(rows, unit),
        _guided(rows),
        _gradient(rows),
        _zero_advantage(rows),
    ]
    return [figure for figure in drawn if figure is not None]


def _accuracy(rows: list[dict[str, Any]]) -> Figure | None:
    heldout = dict(heldout_curve(rows, "accuracy"))
    right = dict(heldout_curve(rows, "steps_right"))
    rollouts = {row["step"]: row["accuracy"] for row in rows if row.get("accuracy") is not None}
    steps = sorted(heldout.keys() | right.keys() | rollouts.keys())
    wanted = [
        Series("rollouts", "rollouts", [rollouts.get(step) for step in steps]),
        Series("held-out, steps right", "stepsright", [right.get(step) for step in steps], dots=True),
        Series("held-out", "heldout", [heldout.get(step) for step in steps], dots=True),
    ]
    caption = (
        "Held-out problems are never trained on. The rollouts are those that training learned from, unguided ones only."
    )
    if right:
        caption += " Steps right: the mean share of an answer's steps before its first wrong one."
    return _lines("Accuracy", steps, wanted, caption, words.percent, top=1.0)


def _lines(
    title: str,
    steps: Sequence[int],
    wanted: Sequence[Series],
    caption: str,
    write: Callable[[float], str],
    top: float | None = None,
) -> Figure | None:
    series = [one for one in wanted if any(value is not None for value in one.values)]
    if not series:
        return None
    svg = line_chart(steps, series, label=title, write=write, top=top)
    return Figure(title, svg, [(f"line {one.css}", one.name) for one in reversed(series)], caption)


def _groups(rows: list[dict[str, Any]]) -> Figure | None:
    known = [row for row in rows if (row.get("groups") or {}).get("total")]
    if not known:
        return None
    steps = [row["step"] for row in known]
    layers = [Series(name, key, [_part(row, key) for row in known]) for key, name in LAYERS]
    layers = [layer for layer in layers if any(layer.values)]
    rescued = Series("rescued", "rescued", [_part(row, "rescued") for row in known])
    overlay = rescued if any(rescued.values) else None
    svg = area_chart(steps, layers, label="Groups by class", write=words.percent, overlay=overlay)
    legend = [(f"area {layer.css}", layer.name) for layer in reversed(layers)]
    caption = "By outcome. A group of equal outcomes teaches GRPO nothing: all-correct and all-negative groups."
    if overlay:
        legend.append(("area all_negative over", "rescued (hatched)"))
        caption += " Hatched: the all-negative groups to which the judge's steps gave a signal."
    return Figure("Groups by class", svg, legend, caption)


def _part(row: Row, key: str) -> float:
    return (row["groups"].get(key) or 0) / row["groups"]["total"]


def _trust(rows: list[dict[str, Any]]) -> Figure | None:
    told = [(row["step"], row["trust"]) for row in rows if row.get("trust")]
    wanted = [
        Series("chance: one standard error", "rollouts", [one["error"] for _, one in told]),
        Series("measured slope", "stepsright", [max(0.0, one["slope"]) for _, one in told]),
        Series("weight of rescued groups", "trust", [one["weight"] for _, one in told]),
    ]
    caption = (
        "Rescued groups count with this weight. It follows the slope: how much of the verifier's advantage one unit of "
        "the judge's foretells in mixed groups, where both are known. A slope within the standard error of "
        "chance weighs 0; slopes below 0 are drawn as 0."
    )
    if line := evidence_line(rows):
        caption += f" At the last step {line}."
    return _lines("Trust in the judge", [step for step, _ in told], wanted, caption, words.share)


def _guidance(rows: list[dict[str, Any]], unit: str) -> Figure | None:
    lengths = dict(guidance_curve(rows, "length"))
    steps = [row["step"] for row in rows]
    title = f"Guidance length, in {unit} of the trace"
    caption = "How much of the ground-truth trace the guided rollouts were to start from, in the mean over problems."
    if cut := shortened(shortened_counts(rows)):
        caption += f" Prefixes {cut}."
    series = [Series("guidance length", "guidance", [lengths.get(step) for step in steps])]
    return _lines(title, steps, series, caption, words.number)


def _guided(rows: list[dict[str, Any]]) -> Figure | None:
    guided = dict(guidance_curve(rows, "accuracy"))
    if not guided:
        return None
    steps = [row["step"] for row in rows]
    wanted = [
        Series("unguided rollouts", "rollouts", [row.get("accuracy") for row in rows]),
        Series("guided rollouts", "guidance", [guided.get(step) for step in steps]),
    ]
    caption = (
        "Guided rollouts were given part of the answer’s way: their accuracy says whether the help is enough, not what "
        "the policy can do. Where the curves meet, the help no longer matters."
    )
    return _lines("Accuracy with and without guidance", steps, wanted, caption, words.percent, top=1.0)


def _gradient(rows: list[dict[str, Any]]) -> Figure | None:
    values = [row.get("grad_norm") for row in rows]
    caption = (
        "Before clipping, mean over a step's updates. It says how much there was to learn from; the loss does not."
    )
    series = [Series("gradient norm", "gradient", values)]
    return _lines("Gradient norm", [row["step"] for row in rows], series, caption, words.number)


def _zero_advantage(rows: list[dict[str, Any]]) -> Figure | None:
    values = [row.get("zero_advantage") for row in rows]
    caption = (
        "Share of rollouts with advantage 0: they taught nothing. Late in a good run these are problems already solved."
    )
    series = [Series("zero advantage", "zero", values)]
    return _lines("Rollouts without a signal", [row["step"] for row in rows], series, caption, words.percent, top=1.0)
