"""What a stage will cost: seconds, memory and judge calls, before anything is paid.

Deliberately rough: a factor of three in time and of one and a half in memory. Time is counted in floating-point
operations (2 N a generated or scored token, 6 N a trained one) over the rates below, plus what a stage takes to start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.architecture import Shape, on_accelerator
from sgpo_cli.pipeline.judge_cost import judge_cost, judge_memory_gib, learned_shape, policy_shape
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Recipe

_START_S = (4.0, 15.0)  # importing torch and TRL, opening the model
_CPU_RATE = (0.4e10, 2.5e10)  # useful FLOP/s of one core on small models, slowest and fastest seen
_GPU_RATE = (0.4e14, 2.5e14)  # useful FLOP/s of one data-centre GPU in such a loop, generation included
_PROMPT_TOKENS = 256  # what is assumed of problems that are not looked at
_BASE_GIB = 0.7  # Python with torch, transformers and TRL loaded

_ROUGH = "times within a factor of 3, memory of 1.5: FLOP counts over typical rates, not measured here"


def estimate(recipe: Recipe, kind: str) -> dict[str, Any]:
    """`seconds [lo, hi]`, `memory_gib`, `judge_calls`, their basis; null seconds when the model's size is unknown."""
    if kind == "report":
        return {"seconds": [0.3, 3.0], "memory_gib": 0.1, "judge_calls": 0, "basis": _basis()}
    alone = only_judge(recipe)
    if alone and (recipe.judge is None or recipe.judge.train is None):
        return {"seconds": None, "memory_gib": None, "judge_calls": 0, "reason": "it depends on the rows to be read"}
    shape = learned_shape(recipe) if alone or kind == "judge_train" else policy_shape(recipe)
    if shape is None:
        reason = "the model's config.json is not on this machine: its size is unknown"
        return {"seconds": None, "memory_gib": None, **_judging(recipe, kind), "reason": reason}
    flops = _flops(recipe, kind, shape)
    slow, fast = _GPU_RATE if on_accelerator() else _CPU_RATE
    workers = recipe.launch.processes if kind == "train" else 1
    seconds = [round(_START_S[0] + flops / fast / workers, 1), round(_START_S[1] + flops / slow / workers, 1)]
    return {
        "seconds": seconds,
        "memory_gib": round(_memory_gib(recipe, kind, shape) + _judge_gib(recipe, kind), 1),
        **_judging(recipe, kind),
        "parameters": shape.parameters(),
        "basis": _basis(),
    }


def _judge_gib(recipe: Recipe, kind: str) -> float:
    return judge_memory_gib(recipe) if kind in {"judge", "train"} else 0.0


def _judging(recipe: Recipe, kind: str) -> dict[str, Any]:
    return judge_cost(recipe, kind, problem_tokens=_problem_tokens(recipe))


def _basis() -> str:
    """How good the estimates are, and for which hardware they were made."""
    where = "this machine's accelerators" if on_accelerator() else "this machine's CPU, for it has no accelerator"
    return f"for {where}; {_ROUGH}"


def too_large(recipe: Recipe, stages: Sequence[Mapping[str, Any]]) -> list[Mistake]:
    """A warning when a stage needs more memory than this machine has (looked at only where there is no accelerator)."""
    if on_accelerator():
        return []
    there = psutil.virtual_memory().total / 2**30
    needs = max((stage["estimate"].get("memory_gib") or 0.0 for stage in stages), default=0.0)
    if needs <= there:
        return []
    return [
        Mistake(
            f"it needs about {needs:.0f} GiB; this machine has {there:.0f} and no accelerator: it will not fit here",
            fix="run it where there are GPUs; here, --smoke shows that every stage runs",
        )
    ]


def _row_tokens(recipe: Recipe) -> int:
    return _problem_tokens(recipe) + recipe.trainer.max_completion_length


def _problem_tokens(recipe: Recipe) -> int:
    return recipe.data.hops.hops + 2 if recipe.data.source == "hops" else _PROMPT_TOKENS


def _judge_row_tokens(recipe: Recipe, train: JudgeTrain) -> int:
    """Of a labelled response, cut behind its first wrong step: about half of it."""
    whole = train.max_length if only_judge(recipe) else _row_tokens(recipe)
    return max(1, min(whole, train.max_length) // 2)


def _flops(recipe: Recipe, kind: str, shape: Shape) -> float:
    size = float(shape.parameters())
    trainer = recipe.trainer
    if kind == "warmup":
        warmup = recipe.warmup
        rows = warmup.steps * warmup.batch_size if isinstance(warmup, WarmupSft) else 0
        return 6 * size * rows * min(_row_tokens(recipe), getattr(warmup, "max_length", 0))
    train = recipe.judge.train if recipe.judge else None
    if kind == "judge_train" and train is not None:
        made = 2 * size * train.rollouts * _row_tokens(recipe) if train.labels is None else 0.0
        return 6 * size * train.steps * train.batch_size * _judge_row_tokens(recipe, train) + made
    if kind == "rollout":
        groups = recipe.offline.problems if recipe.offline is not None else 0
        return 4 * size * groups * trainer.group_size * _row_tokens(recipe)
    if kind == "judge":
        return 2 * size * _row_tokens(recipe) * (recipe.judge.measure if recipe.judge else 0)
    if kind == "train":
        rollouts = trainer.steps * trainer.prompts_per_step * trainer.group_size
        looks = trainer.steps // trainer.eval_every + 1 if trainer.eval_every else 0
        heldout = looks * recipe.data.heldout * trainer.eval_samples
        return (10 * rollouts + 2 * heldout) * size * _row_tokens(recipe)
    samples = sum((bench.k or 1) * (bench.limit or 500) for bench in recipe.benchmarks)
    return 2 * size * samples * _row_tokens(recipe)


def _memory_gib(recipe: Recipe, kind: str, shape: Shape) -> float:
    """Of the largest process: weights, and what training or generating adds."""
    width = 4 if recipe.model.dtype == "float32" or not on_accelerator() else 2
    weights = shape.parameters() * width
    trainer = recipe.trainer
    rows = trainer.prompts_per_step * trainer.group_size // recipe.launch.processes
    cache = rows * _row_tokens(recipe) * shape.kv_bytes_per_token(width)
    if kind in {"judge", "eval", "rollout"}:
        return _BASE_GIB + (weights + (0 if only_judge(recipe) else cache)) / 2**30
    train = recipe.judge.train if recipe.judge else None
    if kind == "judge_train" and train is not None:
        tokens = train.batch_size * train.max_length
        activations = min(tokens, 16384) * shape.layers * (14 * shape.hidden + 4 * shape.intermediate) * width
        return _BASE_GIB + (4 * weights + activations) / 2**30
    if kind == "warmup":
        batch = getattr(recipe.warmup, "batch_size", 1)
    else:
        batch = trainer.micro_batch or max(1, rows // trainer.updates_per_step)
    tokens = batch * _row_tokens(recipe)
    activations = tokens * shape.layers * (14 * shape.hidden + 4 * shape.intermediate) * width
    logits = 3 * tokens * shape.vocab * 4
    return _BASE_GIB + (4 * weights + max(activations + logits, cache)) / 2**30
