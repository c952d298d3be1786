"""Guidance in words and small pictures: one group of a plan, lengths, and why prefixes were shortened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sgpo_cli.display import words

CUTS = {
    "no_trace": "without a trace",
    "short_trace": "by a short trace",
    "answer": "before the answer",
    "budget": "by the budget",
}
"""Why a prefix is shorter than asked (methods/guidance/cut.py), after the word `shortened`."""

_BAR = 44
"""Characters of the longest rollout that is drawn."""
_DRAWN = 16
"""Rollouts of a group that are drawn one by one; more are drawn as runs of equal ones."""
_LINES = 12
"""Lines of an injected prefix that are shown."""


def units(count: float, unit: str) -> str:
    """`6 steps`, `1 token`, `2.4 steps`."""
    return f"{words.number(count)} {unit.removesuffix('s') if count == 1 else unit}"


def shortened(counts: Mapping[str, int]) -> str:
    """`shortened: 400 before the answer, 12 by the budget`; empty when none was."""
    parts = [f"{counts[reason]:,} {meaning}" for reason, meaning in CUTS.items() if counts.get(reason)]
    return f"shortened: {', '.join(parts)}" if parts else ""


def guided_plan(guided: Mapping[str, Any] | None, prompt: Mapping[str, Any] | None) -> list[RenderableType]:
    """A plan's guidance: its course, the places of one group, and what a guided rollout of a real problem sees."""
    if not guided:
        return []
    example = guided.get("example")
    lines: list[RenderableType] = [Text(f"guidance {guided['kind']}: {_course(guided)}", style="title")]
    lines.append(_group(guided))
    lines += _drawing(guided, example, prompt)
    lines += [Text(text) for text in (_loss(guided), _budget(guided))]
    if example is not None:
        lines += _seen(guided, example, prompt)
    else:
        lines.append(Text("no trace to show: the data is not read here", style="note"))
    return [*lines, Text()]


def _course(guided: Mapping[str, Any]) -> str:
    """The length over the steps."""
    course, unit = guided.get("course"), guided["unit"]
    if course is None:
        most = units(guided["max_length"], unit)
        return f"{units(guided['length'], unit)} at step 1, then it adapts, up to {most}"
    own = ", and more for a problem that stays all-negative" if guided.get("scope") == "per_problem" else ""
    if course["drawn"]:
        low, high = course["drawn"]
        return f"{low} to {units(high, unit)}, drawn for each problem of each step{own}"
    points = course["points"]
    if all(point["units"] == points[0]["units"] for point in points):
        return f"{units(points[0]['units'], unit)} at every step{own}"
    first, *later = points
    said = [f"{units(first['units'], unit)} at step 1", *(f"{p['units']} at {p['step']}" for p in later if p["units"])]
    said += [f"0 from {course['zero_from']}"] if course["zero_from"] else []
    return ", ".join(said) + own


def _group(guided: Mapping[str, Any]) -> Text:
    count, size = guided["guided"], guided["group_size"]
    which, start = ("first", "starts") if count == 1 else (f"first {count}", "start")
    return Text(f"the {which} of every group's {size} rollouts {start} from the ground-truth trace")


def _loss(guided: Mapping[str, Any]) -> str:
    if guided["loss_on_prefix"]:
        return "loss_on_prefix true: injected tokens are trained on like sampled ones"
    return "loss_on_prefix false: injected tokens are not trained on (gradient exactly 0)"


def _budget(guided: Mapping[str, Any]) -> str:
    most = words.plural(guided["max_completion_length"], "token")
    if guided["budget"] == "shared":
        return f"budget shared: injected and sampled tokens together are at most {most}"
    return f"budget extra: at most {most} are sampled, after the injected ones"


def _drawing(
    guided: Mapping[str, Any], example: Mapping[str, Any] | None, prompt: Mapping[str, Any] | None
) -> list[Text]:
    """The group, a line a rollout: what it is given (prompt, prefix) and how much it may sample, to scale."""
    budget: int = guided["max_completion_length"]
    head: int = (prompt or {}).get("tokens") or 0
    known = example is not None and example["prefix_tokens"] is not None and head > 0
    prefix: int = example["prefix_tokens"] if example is not None and known else 0
    own: int = example["sampled"] if example is not None and known else budget
    longest = max(head + prefix + own, head + budget)
    lines = [Text()]
    for first, last, is_guided in _runs(guided["mask"]):
        who = str(first) if first == last else f"{first}-{last}"
        line = Text(f"{'rollout ' + who:>14}  ")
        if known:
            line.append("░" * _cells(head, longest), style="quiet")
            line.append(">" * _cells(prefix if is_guided else 0, longest), style="step.injected")
            line.append("·" * _cells(own if is_guided else budget, longest))
        elif is_guided:
            line.append("> guided", style="step.injected")
        else:
            line.append("· unguided")
        lines.append(line)
    if known:
        text = Text(f"{'tokens':>14}  ░ prompt {head}  ", style="quiet")
        text.append(f"> injected {prefix}", style="step.injected")
        most = f"{own} or {budget}" if own != budget else str(own)
        lines.append(text.append(f"  · sampled, at most {most}", style="quiet"))
    return [*lines, Text()]


def _cells(tokens: int, longest: int) -> int:
    """A part's width; nothing that is there is too small to be seen."""
    return max(1, round(_BAR * tokens / longest)) if tokens else 0


def _runs(mask: Sequence[bool]) -> Iterator[tuple[int, int, bool]]:
    """First and last place of each line drawn: every rollout of a small group, runs of equal ones of a large one."""
    if len(mask) <= _DRAWN:
        yield from ((place, place, is_guided) for place, is_guided in enumerate(mask))
        return
    place = 0
    for is_guided, run in groupby(mask):
        count = len(list(run))
        yield place, place + count - 1, is_guided
        place += count


def _seen(
    guided: Mapping[str, Any], example: Mapping[str, Any], prompt: Mapping[str, Any] | None
) -> list[RenderableType]:
    """The prompt's end, the injected lines, and where the policy goes on."""
    lines: list[RenderableType] = [
        Text(),
        Text(f"what a guided rollout sees at step 1 ({example['from']}, id {example['id']})", style="title"),
    ]
    if example["note"]:
        lines.append(Text(example["note"], style="note"))
    if example["prefix"] is None:
        return lines
    asked = words.visible((prompt or {}).get("text") or "").rstrip("\n").splitlines()
    grid = Table.grid()
    grid.add_column(width=4)
    grid.add_column(overflow="fold")
    if asked:
        grid.add_row("  …" if len(asked) > 1 else "", Text(asked[-1], style="quiet"))
    injected = words.visible(example["prefix"]).rstrip("\n").splitlines()
    shown = injected if len(injected) <= _LINES else [*injected[:4], "…", *injected[5 - _LINES :]]
    for line in shown:
        grid.add_row(Text("  >", style="step.injected"), Text(line, style="step.injected"))
    grid.add_row("", Text("▏the policy goes on here", style="good"))
    return [*lines, grid, Text(_given(guided, example))]


def _given(guided: Mapping[str, Any], example: Mapping[str, Any]) -> str:
    """How much of the trace that was, and why it was not more."""
    unit, count, whole = guided["unit"], example["units"], example["trace_units"]
    if example["reason"] == "no_trace":
        return "this row has no trace: its guided rollouts start from the prompt alone"
    text = f"{count} of the trace's {units(whole, unit)} injected"
    if unit == "steps" and example["prefix_tokens"] is not None:
        text += f", {words.plural(example['prefix_tokens'], 'token')}"
    if example["reason"]:
        text += f"; {example['asked']} asked, shortened {CUTS[example['reason']]}"
    many = example["withheld"] != 1
    tail = f"{example['withheld']}, which tell the answer, are" if many else "one, which tells the answer, is"
    return f"{text}; the last {tail} never given"
