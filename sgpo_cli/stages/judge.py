"""Stage `judge`: the judge is measured before it is trusted.

The warm start generates groups, as training will; the verifier grades them and the judge reads them. Where the truth is
known (the built-in task labels its own steps, or the recipe names labelled data) the judge's ProcessBench figures are
measured; below the recipe's floor the run stops here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed
from sgpo_cli.generation.engine import Completion
from sgpo_cli.judging.measure import agreement
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.usage import Remote, take_usage
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.methods.outcomes import classify
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import JudgeUse, Recipe
from sgpo_cli.runs.files import to_json, write_json, write_text
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import close_judge, recipe_judge
from sgpo_cli.stages.labelling import label_stored, stored_rollouts
from sgpo_cli.stages.measuring import Figures, asked_of, measure, refuse_below_floor
from sgpo_cli.stages.policy import open_problems
from sgpo_cli.stages.sampling import sample
from sgpo_cli.training.judge_desk import gives_nothing


def run(context: StageContext) -> dict[str, Any]:
    use = context.recipe.judge
    assert use is not None
    judge = recipe_judge(use, task=context.recipe.data.hops, trained=context.inputs.get("judge"))
    try:
        _refuse_unreachable(use.card, judge)
        return _alone(context, use, judge) if only_judge(context.recipe) else _measured(context, use, judge)
    finally:
        close_judge(judge)


def _alone(context: StageContext, use: JudgeUse, judge: Judge) -> dict[str, Any]:
    """A recipe without a policy: the judge on labelled responses alone."""
    began = time.monotonic()
    found = measure(context, use, judge, None)
    usage = take_usage(judge)
    told = {
        "judge": judge.name,
        "card": use.card,
        **found.to_json(),
        "usage": None if usage is None else usage.to_json(),
        "seconds": time.monotonic() - began,
    }
    _tell(context, use, found, told)
    return {"measures": str(context.dir.measures)}


def _tell(
    context: StageContext, use: JudgeUse, found: Figures, told: dict[str, Any], verdicts: Sequence[Verdict] = ()
) -> None:
    """Leaves judge.json and says the figures, before `max_abstained` and the floor are held to them."""
    write_json(context.dir.measures, told | {"floor": asked_of(use)})
    shown = ("accuracy", "all_negative", "abstained", "measures", "closeness", "agreement", "per_second", "usage")
    context.events.emit("metrics", **{key: told.get(key) for key in shown})
    if found.measures is None:
        context.events.emit("warning", what=f"the judge was not measured: {found.reason}")
    _refuse_silence(context, use, verdicts)
    refuse_below_floor(context, use, found)


def _measured(context: StageContext, use: JudgeUse, judge: Judge) -> dict[str, Any]:
    recipe = context.recipe
    began = time.monotonic()
    rows, completions, outcomes = _roll_out(context, use)
    solutions = [
        Solution(row.problem, tuple(split_steps(done.text)), row.solution, row.answer)
        for row, done in zip(rows, completions, strict=True)
    ]
    judged_at = time.monotonic()
    verdicts = judge.judge(solutions)
    judge_seconds = time.monotonic() - judged_at
    found = measure(context, use, judge, (solutions, verdicts))
    usage = take_usage(judge)
    told = {
        "judge": judge.name,
        "card": use.card,
        "rows": len(solutions),
        **found.to_json(),
        "abstained": sum(map(gives_nothing, verdicts)) / len(verdicts),
        "unchecked": sum(not v.abstained and v.checked == 0 for v in verdicts) / len(verdicts),
        "agreement": _agreement(recipe, use, solutions, verdicts),
        "judge_seconds": judge_seconds,
        "per_second": len(verdicts) / judge_seconds if judge_seconds > 0 else None,
        "calls": len(verdicts) if usage is None else usage.calls,
        "usage": None if usage is None else usage.to_json(),
        **_warm_start(recipe, outcomes, verdicts),
        "seconds": time.monotonic() - began,
    }
    _keep(context, rows, completions, outcomes, verdicts)
    _keep_labelled(context, found)
    _tell(context, use, found, told, verdicts)
    if recipe.offline is not None:
        label_stored(context, judge)
    return {"measures": str(context.dir.measures)}


def _refuse_unreachable(card: str, judge: Judge) -> None:
    """Stops before anything is generated when a judge's server does not answer."""
    wrong = judge.probe() if isinstance(judge, Remote) else []
    if wrong:
        raise RunFailed(
            f"judge {card} cannot be asked: {'; '.join(wrong)}",
            fix="start its server, or name what it serves in the card (docs/judges.md); another server: "
            "judge.endpoints=[http://HOST:PORT/v1]",
        )


def _agreement(
    recipe: Recipe, use: JudgeUse, solutions: list[Solution], verdicts: list[Verdict]
) -> dict[str, object] | None:
    """How far a second judge says the same of the warm start's rollouts; None when the recipe names none."""
    if use.compare_with is None:
        return None
    second = recipe_judge(use, task=recipe.data.hops, card=use.compare_with)
    try:
        _refuse_unreachable(use.compare_with, second)
        return agreement(verdicts, second.judge(solutions), other=use.compare_with).to_json()
    finally:
        close_judge(second)


def _roll_out(context: StageContext, use: JudgeUse) -> tuple[list[Row], list[Completion], list[int | None]]:
    """At least `use.measure` graded rollouts of the warm start, whole groups, kept in rollouts.jsonl."""
    from sgpo_cli.training.rewards import build_rewards
    from sgpo_cli.verify.pool import Grader

    recipe = context.recipe
    if recipe.offline is not None:
        return stored_rollouts(context, use.measure)
    size = recipe.trainer.group_size
    rows = [row for row in _problems(context, -(-use.measure // size)) for _ in range(size)]
    stopped = "stopped while the judge was measured; it starts over"
    completions = sample(context, rows, seed=recipe.seed, stopped=stopped)
    with ExitStack() as graders:
        rewards = build_rewards(recipe.reward, rows, lambda timeout: graders.enter_context(Grader(timeout=timeout)))
        outcome = rewards.functions[rewards.outcome]
        graded = outcome(completions=[done.text for done in completions], row=list(range(len(rows))))
    return rows, completions, [None if value is None else int(value) for value in graded]


def _keep(
    context: StageContext,
    rows: list[Row],
    completions: list[Completion],
    outcomes: list[int | None],
    verdicts: list[Verdict],
) -> None:
    """rollouts.jsonl: what was judged, and how."""
    size = context.recipe.trainer.group_size
    lines = [
        to_json(
            {"group": i // size, "sample": i % size, "id": row.id, "problem": row.problem, "response": done.text}
            | {"outcome": outcome, "truncated": done.truncated, "verdict": verdict.to_json()}
        )
        for i, (row, done, outcome, verdict) in enumerate(zip(rows, completions, outcomes, verdicts, strict=True))
    ]
    write_text(context.dir.rollouts, "\n".join(lines) + "\n")


def _problems(context: StageContext, count: int) -> list[Row]:
    """Held-out problems first, for they are the same whatever the seed."""
    problems = open_problems(context)
    return [*problems.heldout, *problems.rows][:count]


def _keep_labelled(context: StageContext, found: Figures) -> None:
    """labelled.jsonl: verdicts beside the labels that they are measured by; no file where there are none."""
    context.dir.labelled.unlink(missing_ok=True)
    if found.pairs:
        lines = [to_json({"label": label, "verdict": verdict.to_json()}) for verdict, label in found.pairs]
        write_text(context.dir.labelled, "\n".join(lines) + "\n")


def _warm_start(recipe: Recipe, outcomes: list[int | None], verdicts: list[Verdict]) -> dict[str, Any]:
    """What the policy can do before RL: accuracy, share of all-negative groups, mean prefix score of wrong answers."""
    size = recipe.trainer.group_size
    known = [outcome for outcome in outcomes if outcome is not None]
    groups = [classify(outcomes[start : start + size]) for start in range(0, len(outcomes), size)]
    scores = [
        v.prefix_score
        for v, outcome in zip(verdicts, outcomes, strict=True)
        if outcome == 0 and v.prefix_score is not None and v.checked > 0
    ]
    return {
        "groups": len(groups),
        "accuracy": sum(known) / len(known) if known else None,
        "all_negative": sum(group == "all_negative" for group in groups) / len(groups),
        "prefix_score": sum(scores) / len(scores) if scores else None,
    }


def _refuse_silence(context: StageContext, use: JudgeUse, verdicts: Sequence[Verdict]) -> None:
    """What `judge.max_abstained` says of a step holds here too: warned of, or the run stops."""
    silent = [v for v in verdicts if gives_nothing(v)]
    if not verdicts or len(silent) / len(verdicts) <= use.max_abstained:
        return
    first = silent[0].reason or "nothing to check"
    what = (
        f"judge {use.card} abstained on {len(silent)} of {len(verdicts)} rollouts of the warm start, more than "
        f"judge.max_abstained ({use.max_abstained:g}) allows; the first reason: {first}"
    )
    if use.then == "stop":
        raise RunFailed(what, fix="mend the judge, raise judge.max_abstained, or set judge.then=fallback")
    context.events.emit("warning", what=f"{what}; steps like this will be plain GRPO")
