"""What guidance does to one group, worked out before anything is run: who is guided, with how much, and what it sees.

The schedule, the places and the cut are those of methods/guidance, which the trainer uses; only outcomes are missing
here, so a schedule that follows them is shown at its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.judging.split import split_spans
from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.guidance.allocate import guided_mask
from sgpo_cli.methods.guidance.cut import Cut, cut
from sgpo_cli.methods.guidance.per_problem import PerProblem
from sgpo_cli.methods.guidance.rounding import half_up
from sgpo_cli.methods.guidance.schedule import Schedule, Timed
from sgpo_cli.pipeline.preview import origin
from sgpo_cli.pipeline.tokens import Tokens, tokenize
from sgpo_cli.recipe.guidance import GuidanceRandom, Guided, Scheduled
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.verify.giveaway import withheld


def guided_group(recipe: Recipe, row: Row | None, prompt: str) -> dict[str, Any] | None:
    """One group of a guided recipe; None when the recipe has no guidance.

    `mask` has a bool for each rollout of the group, `guided` says how many are true. `course` is the length over the
    steps, None where it adapts to what happens. `example` is what a guided rollout of `row`, asked as `prompt`, starts
    from at step 1, None when there is no row (the data is not read).
    """
    guidance = recipe.guidance
    if not isinstance(guidance, Guided):
        return None
    schedule = load_guidance(guidance, seed=recipe.seed, steps=recipe.trainer.steps)
    mask = guided_mask(guidance.fraction, recipe.trainer.group_size)
    return {
        "kind": guidance.kind,
        "unit": guidance.unit,
        "scope": guidance.scope if isinstance(guidance, Scheduled) else "per_problem",
        "fraction": guidance.fraction,
        "length": guidance.length,
        "max_length": guidance.cap,
        "loss_on_prefix": guidance.loss_on_prefix,
        "budget": guidance.budget,
        "max_completion_length": recipe.trainer.max_completion_length,
        "group_size": recipe.trainer.group_size,
        "guided": sum(mask),
        "mask": list(mask),
        "course": _course(guidance, schedule, recipe.trainer.steps),
        "example": None if row is None else _example(recipe, guidance, schedule, row, prompt),
    }


def _course(guidance: Guided, schedule: Schedule[Any], steps: int) -> dict[str, Any] | None:
    """`points` [{step, length, units}], `zero_from` (first step without guidance) and `drawn` [low, high] of random."""
    base = schedule.schedule if isinstance(schedule, PerProblem) else schedule
    if not isinstance(base, Timed):
        return None
    shown = sorted({1, *(max(1, round(steps * part)) for part in (0.25, 0.5, 0.75, 1.0))})
    points = [{"step": step, "length": base.at(step - 1), "units": half_up(base.at(step - 1))} for step in shown]
    zero_from = next((step for step in range(1, steps + 1) if half_up(base.at(step - 1)) == 0), None)
    drawn = [guidance.low, guidance.length] if isinstance(guidance, GuidanceRandom) else None
    return {"points": points, "zero_from": zero_from, "drawn": drawn}


def _example(recipe: Recipe, guidance: Guided, schedule: Schedule[Any], row: Row, prompt: str) -> dict[str, Any]:
    """What a guided rollout of `row` starts from.

    `asked` and given `units` of the trace's `trace_units`, of which the last `withheld` are never given; the `reason`
    when fewer are given than asked; the injected text `prefix` and its `prefix_tokens`; how many tokens a guided
    rollout may sample after it (`sampled`). What needs a tokenizer that is not here is None, with a `note`.
    """
    trace = row.solution or ""
    tokens = _behind(recipe, prompt, trace)
    told: dict[str, Any] = {"id": row.id, "from": origin(recipe, row), "note": None}
    if tokens is None:
        left = ", so the trace is not cut here" if guidance.unit == "tokens" else ", nor is the budget looked at"
        told["note"] = f"tokenizer not cached: the prefix's tokens are not counted{left}"
    spans = split_spans(trace)
    never = withheld(trace, spans, row.answer)
    reserve = never.steps
    ends = _ends(guidance, spans, tokens)
    if ends is None:
        unknown = ("asked", "units", "trace_units", "withheld", "reason", "prefix", "prefix_tokens", "sampled")
        return told | dict.fromkeys(unknown)
    if guidance.unit == "tokens":
        reserve = max(1, len(ends) - sum(end <= never.start for end in ends))
    budget = recipe.trainer.max_completion_length
    room = _room(ends, tokens, budget - 1) if guidance.budget == "shared" else None
    made = cut(schedule.length(schedule.start(), row.id), len(ends), reserve=reserve, room=room)
    return told | _injected(guidance, made, ends, trace, tokens, budget) | {"withheld": min(reserve, len(ends))}


def _behind(recipe: Recipe, prompt: str, trace: str) -> Tokens | None:
    """The trace's tokens behind the prompt; by itself where the tokenizer would join the two, as training does it."""
    asked, both = tokenize(recipe, prompt), tokenize(recipe, prompt + trace)
    if asked is None or both is None:
        return None
    texts, ends = both.texts[len(asked) :], [end - len(prompt) for end in both.ends[len(asked) :]]
    if both.texts[: len(asked)] == asked.texts and all(end > 0 for end in ends):
        return Tokens(texts, ends)
    return tokenize(recipe, trace)


def _ends(guidance: Guided, spans: Sequence[tuple[int, int]], tokens: Tokens | None) -> list[int] | None:
    """Character offsets where the trace's units end; None when they are tokens and not known."""
    if guidance.unit == "steps":
        return [end for _, end in spans]
    return None if tokens is None else tokens.ends


def _room(ends: Sequence[int], tokens: Tokens | None, most: int) -> int | None:
    """How many units fit in `most` tokens; None when tokens are not known."""
    return None if tokens is None else sum(tokens.within(end) <= most for end in ends)


def _injected(
    guidance: Guided, made: Cut, ends: Sequence[int], trace: str, tokens: Tokens | None, budget: int
) -> dict[str, Any]:
    end = ends[made.units - 1] if made.units else 0
    if guidance.unit == "tokens":
        injected: int | None = made.units
    else:
        injected = None if tokens is None else tokens.within(end)
    sampled = budget - injected if guidance.budget == "shared" and injected is not None else budget
    return {
        "asked": made.asked,
        "units": made.units,
        "trace_units": len(ends),
        "reason": made.reason,
        "prefix": trace[:end],
        "prefix_tokens": injected,
        "sampled": None if injected is None and guidance.budget == "shared" else sampled,
    }
