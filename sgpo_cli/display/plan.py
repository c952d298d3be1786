"""The plan as a person reads it: stages, what they take, the prompt, guidance, the warnings; 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from sgpo_cli.display import words
from sgpo_cli.display.guidance import guided_plan
from sgpo_cli.display.judging import judging_notes
from sgpo_cli.display.special import special_tokens
from sgpo_cli.display.tables import new_table
from sgpo_cli.errors import placed

_SMALL = 0.05
"""GiB below which a part of the memory is not named."""


def plan_table(plan: Mapping[str, Any]) -> RenderableType:
    """A plan: stages and estimates, the prompt, guidance, the warnings. Its document is the plan itself."""
    table = new_table("stage", "would", "time", "GiB each", "tokens", "judge calls", right=(2, 3, 4, 5))
    table.columns[2].no_wrap = True
    for stage in plan["stages"]:
        estimate = stage.get("estimate") or {}
        memory = estimate.get("memory_gib")
        calls = estimate.get("judge_calls")
        sampled = (estimate.get("tokens") or {}).get("sampled")
        table.add_row(
            stage["name"],
            {"run": "run", "skip": "skip: done", "resume": "resume"}.get(stage["status"], stage["status"]),
            words.span(estimate.get("seconds")),
            words.DASH if memory is None else words.number(memory),
            words.DASH if not sampled else words.compact(sampled),
            words.DASH if not calls else words.number(calls),
        )
    prompt = plan.get("prompt")
    parts = [*_estimate_notes(plan["stages"]), *_prompt(prompt), *guided_plan(plan.get("guidance"), prompt)]
    return Group(table, *parts, *_warnings(plan["warnings"]))


def _estimate_notes(stages: Sequence[Mapping[str, Any]]) -> list[Text]:
    """What the stages to be run take in all, how rough that is, and why a figure is missing."""
    waiting = [stage for stage in stages if stage["status"] != "skip"]
    estimates = [stage.get("estimate") or {} for stage in waiting]
    known = [estimate["seconds"] for estimate in estimates if estimate.get("seconds")]
    lines = [
        Text(f"{stage['name']}: {words.number(steps['left'])} of {words.plural(steps['of'], 'step')} left")
        for stage, estimate in zip(waiting, estimates, strict=True)
        if (steps := estimate.get("steps"))
    ]
    if known and len(known) == len(estimates):
        lines.append(Text(f"in all {words.span([sum(bound) for bound in zip(*known, strict=True)])}", style="title"))
    lines += _memory(waiting) + _sizes(estimates) + judging_notes(estimates)
    if measuring := sum(estimate.get("judge_measuring") or 0 for estimate in estimates):
        lines.append(Text(f"of the judge's calls at most {words.number(measuring)} measure the judge", style="quiet"))
    notes = [estimate[key] for estimate in estimates for key in ("basis", "reason") if estimate.get(key)]
    return lines + [Text(note, style="quiet") for note in dict.fromkeys(notes)]


def _memory(stages: Sequence[Mapping[str, Any]]) -> list[Text]:
    """The parts of the stage that needs most, a process."""
    told = [stage for stage in stages if (stage.get("estimate") or {}).get("memory")]
    if not told:
        return []
    stage = max(told, key=lambda stage: stage["estimate"]["memory_gib"])
    memory = stage["estimate"]["memory"]
    parts = sorted(memory["parts"].items(), key=lambda part: -part[1])
    named = ", ".join(f"{name} {words.number(round(size, 1))}" for name, size in parts if size >= _SMALL)
    has = f"{stage['estimate']['memory_gib']} of {memory['has_gib']} GiB"
    return [Text(f"memory of {stage['name']}, {has}: {named}")]


def _sizes(estimates: Sequence[Mapping[str, Any]]) -> list[Text]:
    """Parameters, and what will lie on the disk."""
    lines = []
    sized = [estimate for estimate in estimates if estimate.get("parameters")]
    if sized:
        most = max(sized, key=lambda estimate: estimate["parameters"])
        trained = max((estimate.get("trained_parameters") or 0 for estimate in sized), default=0)
        share = "" if trained == most["parameters"] else f", {words.compact(trained)} of them trained"
        lines.append(f"{words.compact(most['parameters'])} parameters{share}")
    disk = sum(estimate.get("disk_gib") or 0.0 for estimate in estimates)
    if disk >= 0.1:
        lines.append(f"{words.number(round(disk, 1))} GiB of disk for policies and checkpoints")
    worst = sum((estimate.get("tokens") or {}).get("sampled_at_most") or 0 for estimate in estimates)
    if worst:
        lines.append(f"at most {words.compact(worst)} tokens sampled")
    learned = sum((estimate.get("tokens") or {}).get("trained") or 0 for estimate in estimates)
    if learned:
        lines.append(f"at most {words.compact(learned)} trained on")
    return [Text("; ".join(lines))] if lines else []


def _prompt(prompt: Mapping[str, Any] | None) -> list[RenderableType]:
    """The prompt as the policy will see it, with where it is from."""
    if not prompt:
        return []
    tokens = f", {words.plural(prompt['tokens'], 'token')}" if prompt.get("tokens") else ""
    lines: list[RenderableType] = [Text(), Text(f"prompt ({prompt['from']}{tokens})", style="title")]
    lines.append(Padding(Text("\n".join(words.visible(prompt["text"]).splitlines())), (0, 0, 0, 2)))
    around = special_tokens(prompt)
    if around:
        lines.append(Text("; ".join(around), style="quiet"))
    if prompt.get("note"):
        lines.append(Text(str(prompt["note"]), style="note"))
    return [*lines, Text()]


def _warnings(warnings: Sequence[Mapping[str, Any]]) -> list[Text]:
    lines = []
    for warning in warnings:
        text = Text("warning: ", style="note")
        if where := placed(str(warning["what"]), warning.get("where")):
            text.append(f"{where}: ", style="path")
        text.append(str(warning["what"]), style="default")
        for line in str(warning.get("fix") or "").splitlines():
            text.append(f"\n  {line}", style="default")
        lines.append(text)
    return lines
