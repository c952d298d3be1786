"""Stage `rollout` of an offline recipe: each problem's group of responses is made once, graded, and kept for good.

Or responses of elsewhere are taken into the same form. `rollouts.jsonl` grows by whole batches and is gone on with
after a kill; training/stored.py reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.generation.prompts import fill, prompt_ids
from sgpo_cli.generation.scoring import log_probs
from sgpo_cli.judging.verdict import Verdict
from sgpo_cli.methods.outcomes import classify
from sgpo_cli.recipe.words import counted
from sgpo_cli.runs import stops
from sgpo_cli.runs.files import JsonLines, keep_jsonl, read_jsonl
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.policy import open_engine, open_problems
from sgpo_cli.training.elsewhere import into_groups, read_fed

_BATCH = 256
_STOPPED = "stopped between two batches of rollouts; those so far are kept"


@dataclass(frozen=True, slots=True)
class Made:
    """A response before it is graded."""

    text: str
    ids: tuple[int, ...]
    truncated: bool
    verdict: Verdict | None = None


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.training.rewards import build_rewards
    from sgpo_cli.verify.pool import Grader

    recipe, size = context.recipe, context.recipe.trainer.group_size
    offline = recipe.offline
    assert offline is not None
    engine, ask = open_engine(context, top_k=recipe.generation.top_k)
    rows = open_problems(context).rows
    chosen: Sequence[tuple[Row, list[Made] | None]] = [(row, None) for row in rows[: offline.problems]]
    if offline.responses is not None:
        chosen = _of_elsewhere(context, rows, engine.tokenizer)
    at_once = max(1, _BATCH // size)
    path = context.dir.rollouts
    there = sum(1 for _ in read_jsonl(path)) // size // at_once * at_once
    keep_jsonl(path, lambda row: row["group"] < there)
    with ExitStack() as stack:
        lines = stack.enter_context(JsonLines(path))
        only = [row for row, _ in chosen]
        rewards = build_rewards(recipe.reward, only, lambda timeout: stack.enter_context(Grader(timeout=timeout)))
        outcome = rewards.functions[rewards.outcome]
        for start in range(there, len(chosen), at_once):
            stops.raise_if_asked(_STOPPED)
            part = chosen[start : start + at_once]
            prompts = [ask(fill(recipe.data.prompt, row.problem)) for row, _ in part]
            copies = [prompt for prompt in prompts for _ in range(size)]
            made = [one for _, group in part for one in group or []]
            if offline.responses is None:
                done = engine.generate(
                    copies,
                    max_new_tokens=recipe.trainer.max_completion_length,
                    temperature=recipe.generation.temperature,
                    top_p=recipe.generation.top_p,
                    seed=recipe.seed + start,
                )
                made = [Made(one.text, one.ids, one.truncated) for one in done]
            scores = _scored(engine, prompt_ids(copies, engine.tokenizer), made, recipe.generation.temperature)
            index = [start + at for at in range(len(part)) for _ in range(size)]
            graded = outcome(completions=[one.text for one in made], row=index)
            lines.extend(_rows(part, made, scores, graded, start, size))
            lines.sync()
            context.events.emit("progress", step=min(start + at_once, len(chosen)), total=len(chosen))
    told = _told(path, size)
    context.events.emit("metrics", **told)
    return {"rollouts": str(path), **told}


def _scored(engine: Any, prompts: list[list[int]], made: list[Made], temperature: float) -> list[list[float]]:
    return log_probs(
        engine.model,
        prompts,
        [one.ids for one in made],
        temperature=temperature,
        pad_id=engine.tokenizer.pad_token_id,
    )


def _rows(
    part: Sequence[tuple[Row, list[Made] | None]],
    made: Sequence[Made],
    scores: Sequence[list[float]],
    graded: Sequence[float | None],
    start: int,
    size: int,
) -> Iterator[dict[str, Any]]:
    for at, (one, logprobs, outcome) in enumerate(zip(made, scores, graded, strict=True)):
        row = part[at // size][0]
        yield {
            "group": start + at // size,
            "sample": at % size,
            "id": row.id,
            "problem": row.problem,
            "response": one.text,
            "outcome": None if outcome is None else int(outcome),
            "truncated": one.truncated,
            "verdict": None if one.verdict is None else one.verdict.to_json(),
            "ids": list(one.ids),
            "logprobs": logprobs,
        }


def _told(path: Path, size: int) -> dict[str, Any]:
    outcomes = [row["outcome"] for row in read_jsonl(path)]
    kinds = Counter(classify(outcomes[start : start + size]) for start in range(0, len(outcomes), size))
    known = [outcome for outcome in outcomes if outcome is not None]
    return {
        "groups": {"total": kinds.total(), **kinds},
        "accuracy": sum(known) / len(known) if known else None,
    }


def _of_elsewhere(context: StageContext, rows: Sequence[Row], tokenizer: Any) -> list[tuple[Row, list[Made]]]:
    """Whole groups of the responses that `offline.responses` holds, as token ids that end in EOS."""
    recipe, offline = context.recipe, context.recipe.offline
    assert offline is not None and offline.responses is not None
    longest = recipe.trainer.max_completion_length

    def ids(text: str) -> tuple[int, ...]:
        return (*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id)

    fed = into_groups(
        read_fed(Path(offline.responses)),
        rows,
        size=recipe.trainer.group_size,
        most=offline.problems,
        fits=lambda text: len(ids(text)) <= longest,
    )
    if fed.left_out:
        context.events.emit("warning", what=f"responses left out: {counted(fed.left_out)}")
    return [
        (row, [Made(one.response, ids(one.response), False, one.verdict) for one in group]) for row, group in fed.groups
    ]
