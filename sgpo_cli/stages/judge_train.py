"""Stage `judge_train`: a step judge trained from labelled steps, before stage `judge` measures it.

The labels come from a file, or a judge that the recipe names labels rollouts of the policy before RL. Shared between
recipes that train the same judge. What is left here: `labels.jsonl` (learned from), `heldout.jsonl` (set aside),
`labels.json` (how many, of which kinds), `final/` (a transformers folder), `card.yaml` (for `sgpo judge`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.learned.examples import encode
from sgpo_cli.judging.learned.labels import Labels, divide, read_labels
from sgpo_cli.judging.learned.relabel import as_labels
from sgpo_cli.judging.learned.rows import read_rows, write_rows
from sgpo_cli.judging.split import split_steps
from sgpo_cli.judging.usage import Remote
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.recipe.cards import load_judge_card
from sgpo_cli.recipe.judgecards import LearnedCard
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.schema import JudgeUse
from sgpo_cli.recipe.words import counted
from sgpo_cli.recipe.yamlio import dump
from sgpo_cli.runs.files import read_json, write_json, write_text
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.judging import close_judge, recipe_judge
from sgpo_cli.stages.policy import open_problems
from sgpo_cli.stages.sampling import sample

_PROBLEM_SEED = 500_000
"""Added to the seed of the problems that are rolled out, so that they are not the ones that RL begins with."""


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.judge_trainer import longest, open_writer, train_judge

    use = context.recipe.judge
    assert use is not None and use.train is not None
    train, home = use.train, context.dir.path
    told = _labels(context, use, train)
    context.events.emit("metrics", **told)
    if told["left_out"]:
        context.events.emit("warning", what=f"rows left out of the labels: {counted(told['left_out'])}")
    learned = read_rows(home / "labels.jsonl")
    source = _source(context, train)
    examples, left_out = encode(learned, open_writer(source), max_length=longest(source, train))
    if len(examples) < train.least:
        raise UserError(
            f"{len(examples)} labelled responses can be learned from, and judge.train.least is {train.least} "
            f"(left out: {counted(left_out)})",
            where="judge.train",
            fix="raise judge.train.max_length (a model of its own reads judge.train.scratch.context), or label more",
        )
    if left_out:
        context.events.emit("warning", what=f"labelled responses left out: {counted(left_out)}")
    train_judge(examples, source=source, train=train, steps=train.steps, home=home, events=context.events)
    write_text(home / "card.yaml", _card(context.dir.final, use, train))
    return {"judge": str(context.dir.final), **told}


def _labels(context: StageContext, use: JudgeUse, train: JudgeTrain) -> dict[str, Any]:
    """Leaves labels.jsonl and heldout.jsonl, unless an interrupted stage did; what they hold."""
    home = context.dir.path
    there = home / "labels.json"
    if there.exists():
        known: dict[str, Any] = read_json(there)
        return known
    if train.labels is not None:
        labels, source, calls = read_labels(Path(train.labels), train.format), train.labels, 0
    else:
        labels, source, calls = _labelled_rollouts(context, use, train)
    where = train.labels or "judge.train"
    learn, held = divide(labels, share=train.heldout, least=train.least, where=where)
    write_rows(home / "labels.jsonl", learn)
    write_rows(home / "heldout.jsonl", held)
    told = {
        "labels": len(learn),
        "wrong": sum(row.first_error >= 0 for row in learn),
        "heldout": len(held),
        "left_out": dict(labels.left_out),
        "source": source,
        "label_calls": calls,
    }
    write_json(there, told)
    return told


def _labelled_rollouts(context: StageContext, use: JudgeUse, train: JudgeTrain) -> tuple[Labels, str, int]:
    """Rollouts of the policy, each of another problem where there are enough: labels of many problems teach more."""
    assert train.label_with is not None
    rows = _problems(context, train)
    stopped = "stopped while rollouts were made for the judge; they start over"
    completions = sample(context, rows, seed=train.seed, stopped=stopped)
    solutions = [
        Solution(row.problem, tuple(split_steps(done.text)), row.solution, row.answer)
        for row, done in zip(rows, completions, strict=True)
    ]
    teacher = recipe_judge(use, task=context.recipe.data.hops, card=train.label_with)
    try:
        wrong = teacher.probe() if isinstance(teacher, Remote) else []
        if wrong:
            raise RunFailed(f"judge {train.label_with} cannot be asked: {'; '.join(wrong)}")
        verdicts = teacher.judge(solutions)
    finally:
        close_judge(teacher)
    return as_labels(solutions, verdicts), f"rollouts labelled by {train.label_with}", len(solutions)


def _problems(context: StageContext, train: JudgeTrain) -> Sequence[Row]:
    recipe = context.recipe
    if recipe.data.source == "hops":
        from sgpo_cli.data.hops import problems

        return problems(recipe.data.hops, train.rollouts, _PROBLEM_SEED + train.seed, "train")
    rows = open_problems(context).rows
    rng = random.Random(f"judge problems {train.seed}")
    chosen: list[Row] = []
    while len(chosen) < train.rollouts:
        chosen += rng.sample(rows, min(len(rows), train.rollouts - len(chosen)))
    return chosen


def _source(context: StageContext, train: JudgeTrain) -> str | Path:
    """What the judge is made of: a model of its own, random weights, or the policy."""
    if train.model is not None:
        return train.model
    if train.scratch is None:
        return context.policy()
    from sgpo_cli.generation.load import build_scratch, save_policy
    from sgpo_cli.generation.standin import standin_tokenizer

    folder = context.dir.path / "start"
    if not folder.exists():
        tokenizer = standin_tokenizer(chat=False)
        save_policy(build_scratch(train.scratch, tokenizer, train.seed), tokenizer, folder)
    return folder


def _card(final: Path, use: JudgeUse, train: JudgeTrain) -> str:
    card = load_judge_card(use.card)
    told = {
        "kind": "process_reward",
        "model": str(final.resolve()),
        "style": "token_classification",
        "threshold": card.threshold if isinstance(card, LearnedCard) else LearnedCard().threshold,
        "max_length": train.max_length,
    }
    return "# The judge that this stage trained, for `sgpo judge`.\n" + dump(told)
