"""Stage `judge`: the judge is measured before it is trusted.

The warm start generates groups, as training will; the verifier grades them and the judge reads them. Where the truth is
known (the built-in task labels its own steps, or the recipe names labelled data) the judge's ProcessBench figures are
measured; below the recipe's floor the run stops here.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sgpo_cli.data.hops import first_wrong_step
from sgpo_cli.data.rows import Lengths, Row
from sgpo_cli.errors import RunFailed
from sgpo_cli.generation.engine import Completion
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.measure import Measures, agreement, processbench
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.usage import Remote, take_usage
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.methods.outcomes import classify
from sgpo_cli.recipe.schema import JudgeUse, Recipe
from sgpo_cli.runs import stops
from sgpo_cli.runs.files import to_json, write_json, write_text
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import close_judge, recipe_judge
from sgpo_cli.stages.policy import open_engine
from sgpo_cli.training.problems import load_problems

_BATCH = 128

Pair = tuple[Verdict, int]
"""A verdict and the true index of the first wrong step, -1 for none."""


def run(context: StageContext) -> dict[str, Any]:
    use = context.recipe.judge
    assert use is not None
    judge = recipe_judge(use, task=context.recipe.data.hops)
    try:
        _refuse_unreachable(use.card, judge)
        return _measured(context, use, judge)
    finally:
        close_judge(judge)


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
    pairs, source, reason = _against_labels(recipe, use, judge, solutions, verdicts)
    measures = processbench(pairs) if pairs is not None else None
    usage = take_usage(judge)
    told = {
        "judge": judge.name,
        "card": use.card,
        "measured_on": source,
        "rows": len(solutions),
        "measures": measures.to_json() if measures else None,
        "reason": reason,
        "abstained": sum(v.abstained or v.checked == 0 for v in verdicts) / len(verdicts),
        "unchecked": sum(not v.abstained and v.checked == 0 for v in verdicts) / len(verdicts),
        "agreement": _agreement(recipe, use, solutions, verdicts),
        "judge_seconds": judge_seconds,
        "per_second": len(verdicts) / judge_seconds if judge_seconds > 0 else None,
        "calls": len(verdicts) if usage is None else usage.calls,
        "usage": None if usage is None else usage.to_json(),
        **_warm_start(recipe, outcomes, verdicts),
        "seconds": time.monotonic() - began,
        "floor": use.floor.f1 if use.floor else None,
    }
    _keep(context, rows, completions, outcomes, verdicts)
    _keep_labelled(context, pairs)
    write_json(context.dir.measures, told)
    shown = ("accuracy", "all_negative", "abstained", "measures", "agreement", "per_second", "usage")
    context.events.emit("metrics", **{key: told[key] for key in shown})
    if measures is None:
        context.events.emit("warning", what=f"the judge was not measured: {reason}")
    _refuse_silence(context, use, verdicts)
    _refuse_below_floor(context, use, measures, reason)
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
    from sgpo_cli.generation.prompts import fill
    from sgpo_cli.training.long_problems import prompt_lengths
    from sgpo_cli.training.rewards import build_rewards
    from sgpo_cli.verify.pool import Grader

    recipe = context.recipe
    engine, ask = open_engine(context, top_k=recipe.generation.top_k)
    size = recipe.trainer.group_size
    lengths = prompt_lengths(recipe.model, recipe.data.prompt, engine.tokenizer)
    rows = [row for row in _problems(recipe, lengths, -(-use.measure // size)) for _ in range(size)]
    completions: list[Completion] = []
    for start in range(0, len(rows), _BATCH):
        stops.raise_if_asked("stopped while the judge was measured; it starts over")
        batch = rows[start : start + _BATCH]
        completions += engine.generate(
            [ask(fill(recipe.data.prompt, row.problem)) for row in batch],
            max_new_tokens=recipe.trainer.max_completion_length,
            temperature=recipe.generation.temperature,
            top_p=recipe.generation.top_p,
            seed=recipe.seed + start,
        )
        context.events.emit("progress", step=len(completions), total=len(rows))
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


def _problems(recipe: Recipe, lengths: Lengths, count: int) -> list[Row]:
    """Held-out problems first, for they are the same whatever the seed."""
    problems = load_problems(recipe, lengths)
    return [*problems.heldout, *problems.rows][:count]


def _keep_labelled(context: StageContext, pairs: list[Pair] | None) -> None:
    """labelled.jsonl: verdicts beside the labels that they are measured by; no file where there are none."""
    context.dir.labelled.unlink(missing_ok=True)
    if pairs:
        lines = [to_json({"label": label, "verdict": verdict.to_json()}) for verdict, label in pairs]
        write_text(context.dir.labelled, "\n".join(lines) + "\n")


def _against_labels(
    recipe: Recipe, use: JudgeUse, judge: Judge, solutions: list[Solution], verdicts: list[Verdict]
) -> tuple[list[Pair] | None, str | None, str | None]:
    """Verdicts beside labels, what they are of, and why there are none."""
    if use.floor is not None and use.floor.data is not None:
        labelled = _labelled(Path(use.floor.data))
        read = judge.judge([solution for solution, _ in labelled])
        truth = [label for _, label in labelled]
        return list(zip(read, truth, strict=True)), use.floor.data, None
    if recipe.data.source == "hops":
        truth = [first_wrong_step(recipe.data.hops, s.problem, s.steps) for s in solutions]
        return list(zip(verdicts, truth, strict=True)), "warm-start rollouts", None
    return None, None, "no labelled steps: name a file of them in judge.floor.data"


def _labelled(path: Path) -> list[tuple[Solution, int]]:
    source = JsonLines(path)
    source.check()
    return [(item.solution, item.label) for item in source.items() if item.label is not None]


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


def _refuse_silence(context: StageContext, use: JudgeUse, verdicts: list[Verdict]) -> None:
    """What `judge.max_abstained` says of a step holds here too: warned of, or the run stops."""
    silent = [v for v in verdicts if v.abstained]
    share = len(silent) / len(verdicts)
    if share <= use.max_abstained:
        return
    what = (
        f"judge {use.card} abstained on {len(silent)} of {len(verdicts)} rollouts of the warm start, more than "
        f"judge.max_abstained ({use.max_abstained:g}) allows; the first reason: {silent[0].reason}"
    )
    if use.then == "stop":
        raise RunFailed(what, fix="mend the judge, raise judge.max_abstained, or set judge.then=fallback")
    context.events.emit("warning", what=f"{what}; steps like this will be plain GRPO")


def _refuse_below_floor(context: StageContext, use: JudgeUse, measures: Measures | None, reason: str | None) -> None:
    """Stops the run when the judge is below its floor, or when a floor is asked for and nothing was measured."""
    if use.floor is None:
        return
    if measures is None:
        raise RunFailed(
            f"judge {use.card} has a floor of F1 {use.floor.f1:.2f} but could not be measured: {reason}",
            fix="name labelled steps in judge.floor.data, or set judge.floor=null",
        )
    name, value = "F1", measures.f1
    if value is None:
        # F1 needs both kinds of rows; a weak policy may give none without a wrong step.
        name, value = (
            ("acc_error", measures.acc_error)
            if measures.acc_error is not None
            else ("acc_correct", measures.acc_correct)
        )
        context.events.emit("warning", what=f"F1 needs rows with and without a wrong step: the floor is held to {name}")
    if value is None or value < use.floor.f1:
        raise RunFailed(
            f"judge {use.card} is below its floor: {name} {value or 0:.3f} < {use.floor.f1:.3f}",
            fix="a bad judge is worse than none: choose another (sgpo list judges), or lower judge.floor.f1",
        )
