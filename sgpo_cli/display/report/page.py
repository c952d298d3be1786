"""What the report says, as plain values for the template: words and figures here, looks there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from sgpo_cli import __version__
from sgpo_cli.display import readable, words
from sgpo_cli.display.facts import RunFacts, flat, gather, metrics
from sgpo_cli.display.judging import agreement_lines, usage_text
from sgpo_cli.display.report.cards import card, how_chosen, marks, picked_groups
from sgpo_cli.display.report.figures import figures
from sgpo_cli.display.report.judged import floor_words, judge_figures, judged_sentence, what_was_judged
from sgpo_cli.display.report.svg import whisker
from sgpo_cli.display.tables import labelled_rows, pass_at
from sgpo_cli.runs.rundir import RunDir


def page(run: RunDir) -> dict[str, Any]:
    """Everything the template shows; a part that the run does not have is None or empty."""
    facts = gather(run)
    rows = metrics(run)
    picked = picked_groups(run, rows)
    return {
        "name": facts.name,
        "ran": what_ran(facts) if facts.trains_policy else what_was_judged(facts),
        "result": result_sentence(facts) if facts.trains_policy else judged_sentence(facts),
        "trains": facts.trains_policy,
        "state": state_sentence(facts),
        "tiles": tiles(facts),
        "loss": loss_sentence(rows),
        "figures": figures(rows, unit=(facts.recipe.get("guidance") or {}).get("unit") or "steps"),
        "warm": warm_start(facts),
        "benches": [bench_row(bench) for bench in facts.benches],
        "judge": judge_part(facts),
        "groups": [card(one) for one in picked],
        "marks": marks(picked),
        "chosen": how_chosen(picked),
        "warnings": facts.warnings,
        "stages": stage_rows(facts),
        "total": words.duration(facts.seconds),
        "settings": settings(facts.recipe, trains=facts.trains_policy),
        "yaml": words.visible(yaml.safe_dump(facts.recipe, sort_keys=False, allow_unicode=True)),
        "env": flat(readable.document(run.env)) if run.env.exists() else {},
        "path": str(run.path),
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": __version__,
    }


def what_ran(facts: RunFacts) -> str:
    """`SGPO (stepwise rescue, judge hops_oracle) on hops: 100 steps of 32 problems x 8 rollouts`.

    Adaptive guidance has a name too, G2RPO-A; other guidance is named by its kind.
    """
    recipe = facts.recipe
    rescue = (recipe.get("rescue") or {}).get("kind", "none")
    judge = (recipe.get("judge") or {}).get("card")
    method = {"none": "GRPO", "stepwise": "SGPO"}.get(rescue, f"GRPO with rescue {rescue}")
    guided = recipe.get("guidance") or {}
    guidance = guided.get("kind", "none")
    if guidance == "adaptive":
        method = "G2RPO-A" if rescue == "none" else f"{method} + G2RPO-A"
    told = [f"{rescue} rescue"] if rescue != "none" else []
    told += [f"judge {judge}"] if judge else []
    if guidance != "none":
        loss = "in the loss" if guided.get("loss_on_prefix") else "masked"
        told.append(f"{guidance} guidance, prefix {loss}")
    details = f" ({', '.join(told)})" if told else ""
    trainer = recipe.get("trainer") or {}
    batch = f"{trainer.get('prompts_per_step', '?')} problems × {trainer.get('group_size', '?')} rollouts"
    source = (recipe.get("data") or {}).get("source", "?")
    return f"{method}{details} on {source}: {trainer.get('steps', '?')} steps of {batch}"


def result_sentence(facts: RunFacts) -> str:
    """The outcome in one sentence, benchmarks first, with intervals."""
    said = []
    for bench in facts.benches:
        if bench.get("avg_at_k") is not None:
            score = f"{words.share(bench['avg_at_k'])} avg@{bench['k']} on {bench['bench']}"
            said.append(f"{score}, 95% interval {words.interval(bench.get('ci95'))}")
    if len(facts.heldout) > 1:
        (first, then), (last, now) = facts.heldout[0], facts.heldout[-1]
        said.append(f"held-out accuracy from {words.share(then)} at step {first} to {words.share(now)} at step {last}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else "Nothing has been measured yet."


def state_sentence(facts: RunFacts) -> str | None:
    """Where an unfinished run stands; None when every stage but the report is done."""
    stage = next((stage for stage in facts.stages if stage.kind != "report" and stage.status != "done"), None)
    if stage is None:
        return None
    at = f", at step {facts.steps}" if stage.kind == "train" and facts.steps else ""
    words_of = {"unfinished": "was begun", "stopped": "was stopped", "failed": "failed", "not run": "has not begun"}
    how = words_of[stage.status]
    return f"This run is not finished: its stage {stage.name} {how}{at}. The same command goes on from there."


def tiles(facts: RunFacts) -> list[dict[str, str]]:
    """The four to six numbers to look at first."""
    found = []
    for bench in facts.benches[:2]:
        found.append(
            _tile(f"{bench['bench']}, avg@{bench['k']}", bench.get("avg_at_k"), words.interval(bench.get("ci95")))
        )
    best = facts.best_heldout
    if facts.heldout and best:
        start = f"from {words.share(facts.heldout[0][1])}; best {words.share(best[1])} at step {best[0]}"
        found.append(_tile("held-out accuracy", facts.heldout[-1][1], start))
    if facts.all_negative:
        note = f"from {words.percent(facts.all_negative[0][1])} at step {facts.all_negative[0][0]}"
        found.append({"name": "all-negative groups", "value": words.percent(facts.all_negative[-1][1]), "note": note})
    if facts.ungraded_share:
        value = words.percent(facts.ungraded_share)
        found.append({"name": "ungraded groups", "value": value, "note": "over all steps: they teach nothing"})
    if facts.drift:
        step, drift = facts.drift[-1]
        note = f"mean ratio {drift['ratio']:.2f} at step {step}, to the policy that made the responses"
        found.append({"name": "outside the clip range", "value": words.percent(drift["outside"]), "note": note})
    if facts.judge and facts.judge.get("measures"):
        note = f"{facts.judge.get('card')}{floor_words(facts.judge)}"
        found.append(_tile("judge's F1", facts.judge["measures"].get("f1"), note))
    if facts.seconds is not None:
        note = f"of which RL steps {words.duration(facts.train_seconds)}" if facts.train_seconds else "all stages"
        found.append({"name": "time", "value": words.duration(facts.seconds), "note": note})
    return found


def _tile(name: str, value: float | None, note: str) -> dict[str, str]:
    return {"name": name, "value": words.share(value), "note": note}


def loss_sentence(rows: Sequence[dict[str, Any]]) -> str | None:
    """How small the loss was; None before training."""
    known = [abs(row["loss"]) for row in rows if row.get("loss") is not None]
    return f"{sum(known) / len(known):.1g}" if known else None


def warm_start(facts: RunFacts) -> list[tuple[str, str]]:
    """What the policy could do before the first update, from the judge stage and the first step."""
    said = []
    judge = facts.judge or {}
    if judge.get("accuracy") is not None:
        said.append(("accuracy", f"{words.share(judge['accuracy'])} of {words.number(judge.get('rows'))} rollouts"))
    if judge.get("all_negative") is not None:
        said.append(("all-negative groups", words.percent(judge["all_negative"])))
    if facts.heldout and facts.heldout[0][0] == 0:
        said.append(("held-out accuracy", words.share(facts.heldout[0][1])))
    if not judge and facts.accuracy and facts.all_negative:
        step = facts.accuracy[0][0]
        said.append((f"accuracy of step {step}'s rollouts", words.share(facts.accuracy[0][1])))
        said.append((f"all-negative groups at step {step}", words.percent(facts.all_negative[0][1])))
    return said


def bench_row(bench: dict[str, Any]) -> dict[str, str]:
    mean, ci95 = bench.get("avg_at_k"), bench.get("ci95")
    sampling = bench.get("sampling") or {}
    return {
        "name": str(bench["bench"]),
        "problems": words.number(bench.get("n_problems")),
        "missing": words.number(bench.get("missing") or 0),
        "k": words.number(bench.get("k")),
        "avg": words.share(mean),
        "interval": words.interval(ci95),
        "picture": whisker(mean, ci95),
        "pass": pass_at(bench),
        "maj": words.share(bench.get("maj_at_k")),
        "truncated": words.number(bench.get("truncated")),
        "ungraded": words.number(bench.get("ungraded")),
        "how": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in sampling.items()),
    }


def judge_part(facts: RunFacts) -> dict[str, Any] | None:
    """The judge's figures and what they were measured on; None without a judge stage."""
    judge = facts.judge
    if judge is None:
        return None
    return {
        "name": judge.get("card") or judge.get("judge"),
        "on": judge.get("measured_on"),
        "labelled": words.plural(labelled_rows(judge.get("measures") or {}), "labelled row"),
        "rows": judge_figures(judge),
        "reason": judge.get("reason"),
        "silent": silent_lines(judge),
        "rollouts": words.number(judge.get("rows")),
        "calls": words.number(judge.get("calls")),
        "seconds": words.duration(judge.get("judge_seconds") or judge.get("seconds")),
        "agreement": agreement_lines(judge.get("agreement")),
        "training": _training_cost(facts),
    }


def _training_cost(facts: RunFacts) -> str | None:
    """What the judge was asked during training, and how often too little came of it."""
    usage, asked = facts.judge_usage, usage_text(facts.judge_usage)
    if usage is None or asked is None:
        return None
    fallback = usage["fallback"]
    steps = f"; {words.plural(fallback, 'step')} fell back to plain GRPO" if fallback else ""
    took, waited = words.duration(usage["seconds"]), words.duration(usage["waited"])
    return f"{asked}; {took}, of which training waited {waited}{steps}"


def silent_lines(judge: dict[str, Any]) -> list[tuple[str, str]]:
    """How often the judge said nothing of the warm start's rollouts. In judge.json, `abstained` holds both shares and
    `unchecked` the second; files written before it was kept have only their sum."""
    both, unchecked = judge.get("abstained"), judge.get("unchecked")
    if both is None or unchecked is None:
        return [("abstained (no verdict) or nothing to check", words.percent(both))]
    return [
        ("abstained (no verdict)", words.percent(max(0.0, both - unchecked))),
        ("nothing to check (counts as abstained in training)", words.percent(unchecked)),
    ]


def stage_rows(facts: RunFacts) -> list[dict[str, str]]:
    """Timings, without the report's own stage, which is still running while this is written."""
    rows = []
    for stage in facts.stages:
        if stage.kind != "report":
            notes = ["shared with other runs"] if stage.shared else []
            notes += [f"{stage.sessions} sessions"] if stage.sessions > 1 else []
            part = "" if not facts.seconds or stage.seconds is None else words.percent(stage.seconds / facts.seconds)
            row = {"name": stage.name, "status": stage.status, "seconds": words.duration(stage.seconds), "part": part}
            rows.append({**row, "note": ", ".join(notes)})
    return rows


SETTINGS = (
    "seed",
    "model.path",
    "model.scratch.architecture",
    "data.source",
    "warmup.kind",
    "warmup.steps",
    "rescue.kind",
    "rescue.shape",
    "rescue.scaling",
    "rescue.trust.gain",
    "rescue.trust.caution",
    "judge.card",
    "judge.train.labels",
    "judge.train.label_with",
    "judge.train.steps",
    "judge.train.learning_rate",
    "guidance.kind",
    "guidance.preset",
    "guidance.fraction",
    "guidance.length",
    "guidance.max_length",
    "guidance.unit",
    "guidance.loss_on_prefix",
    "guidance.budget",
    "trainer.steps",
    "trainer.prompts_per_step",
    "trainer.group_size",
    "trainer.updates_per_step",
    "trainer.learning_rate",
    "trainer.max_completion_length",
    "generation.temperature",
)


def settings(recipe: dict[str, Any], *, trains: bool = True) -> list[tuple[str, str]]:
    """The settings that people ask about first; the whole recipe follows them on the page."""
    leaves = flat(recipe)
    return [(key, str(leaves[key])) for key in SETTINGS if leaves.get(key) is not None and (trains or "judge" in key)]
