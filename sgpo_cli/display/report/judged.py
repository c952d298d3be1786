"""What the report says of judges: the figures of every run's, and the words of a run that has a judge alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgpo_cli.display import words
from sgpo_cli.display.facts import RunFacts
from sgpo_cli.display.report.svg import whisker
from sgpo_cli.display.tables import JUDGE_FIGURES, measure_interval

_CLOSENESS = (
    ("exact", "exact", "first wrong step, or none, named exactly"),
    ("correlation", "correlation", "of prefix scores with the labels'"),
)
_FLOORS = {"f1": "F1", "exact": "exact", "correlation": "correlation"}


def judge_figures(judge: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a figure, with interval and picture; none of a judge that was not measured."""
    measures, close = judge.get("measures") or {}, judge.get("closeness") or {}
    rows = []
    if measures:
        for key, name, meaning in JUDGE_FIGURES:
            count = measures.get({"acc_error": "n_error", "acc_correct": "n_correct"}.get(key, ""))
            rows.append(_row(name, measures.get(key), measure_interval(measures, key), meaning, count))
    for key, name, meaning in _CLOSENESS:
        if close.get(key) is not None:
            rows.append(_row(name, close[key], close.get(f"{key}_ci95"), meaning, close.get("n")))
    return rows


def _row(name: str, value: float | None, ci95: Any, meaning: str, count: int | None) -> dict[str, Any]:
    told = {"name": name, "value": words.share(value), "interval": words.interval(ci95), "meaning": meaning}
    picture = whisker(value, ci95) if value is None or value >= 0 else ""
    return {**told, "picture": picture, "rows": words.number(count)}


def floor_words(judge: Mapping[str, Any]) -> str:
    """`, floor F1 0.50`; empty without one."""
    floor = judge.get("floor") or {}
    told = [f"{_FLOORS.get(key, key)} {words.share(least)}" for key, least in floor.items()]
    return f", floor {', '.join(told)}" if told else ""


def what_was_judged(facts: RunFacts) -> str:
    """`Judge learned, trained on labels.jsonl: 400 steps of 64 responses. No policy is trained.`"""
    use = facts.recipe.get("judge") or {}
    train = use.get("train") or {}
    how = ""
    if train:
        batch = f"{train.get('steps', '?')} steps of {train.get('batch_size', '?')} responses"
        how = f", trained on {Path(str(train.get('labels', '?'))).name}: {batch}"
    return f"Judge {use.get('card', '?')}{how}. No policy is trained."


def judged_sentence(facts: RunFacts) -> str:
    """The judge's own figures as the run's result."""
    known = [row for row in judge_figures(facts.judge or {}) if row["name"] in {"F1", "exact", "correlation"}]
    told = [f"{row['name']} {row['value']}, 95% interval {row['interval']}" for row in known if row["interval"]]
    on = (facts.judge or {}).get("measured_on")
    return f"On {on}: {'; '.join(told)}." if told else "Nothing has been measured yet."
