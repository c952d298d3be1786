"""Tokens that a stage samples, scores and trains on, and how long that takes on a machine.

Sampled tokens have an expected and a worst number: nobody knows how long answers will be, so half of the longest is
expected. Times are ranges: on a CPU operations over the slowest and fastest rates seen; on an accelerator a decoder's
two bounds (weights and cache read once a token, operations) with a launch cost a layer, and a share of peak operations
for scoring and training, a factor of 2.5 either way.
"""

from __future__ import annotations

from dataclasses import dataclass

from sgpo_cli.pipeline.architecture import Shape
from sgpo_cli.pipeline.cost.machine import Machine
from sgpo_cli.pipeline.cost.prompts import prompts_of
from sgpo_cli.pipeline.cost.shapes import Weights
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.stages.engines import batch_rows, eval_engine
from sgpo_cli.stages.sampling import rows_at_once as sampled_at_once

START_S = (4.0, 15.0)
"""Importing torch and TRL, opening a small model."""
_LOAD_BYTES_S = (0.3e9, 3e9)  # of weights read from a disk, slowest and fastest
_CPU_RATE = (0.4e10, 2.5e10)  # useful FLOP/s of one core on small models, slowest and fastest seen
_PEAK_SHARE = 0.35  # of peak operations that training reaches
_BANDWIDTH_SHARE = 0.6
_FACTOR = 2.5  # either way, on accelerators
_LAYER_S = {"transformers": 6e-4, "vllm": 8e-5, "vllm_server": 8e-5}  # a layer's launches at one token's step
_EXPECTED = 0.5  # of the longest answer
_VLLM_ROWS = 64  # that vLLM has room for side by side, of the longest answers
_BENCH_ROWS = 500  # of a benchmark whose card counts none


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens of one stage, all processes together."""

    rows: int = 0
    """Responses sampled."""
    prompt: int = 0
    longest: int = 0
    """Longest sampled answer in tokens."""
    scored: float = 0.0
    """Tokens that go through the model once, without a gradient, sampled ones not counted."""
    trained: float = 0.0
    """Tokens that go forward and back."""
    at_once: int = 1
    """Rows that one process samples side by side."""

    @property
    def sampled(self) -> tuple[int, int]:
        """(expected, worst) sampled tokens."""
        worst = self.rows * self.longest
        return int(worst * _EXPECTED), worst


def problem_tokens(recipe: Recipe) -> int:
    """Of a prompt, in the mean."""
    return prompts_of(recipe).mean


def row_tokens(recipe: Recipe) -> int:
    """Of the longest row: a problem and a whole answer."""
    return prompts_of(recipe).longest + recipe.trainer.max_completion_length


def rows_at_once(recipe: Recipe) -> int:
    """Rollouts that one process samples side by side in training."""
    launch, trainer = recipe.launch, recipe.trainer
    return max(1, trainer.prompts_per_step * trainer.group_size // (launch.processes * launch.nodes))


def work_of(recipe: Recipe, kind: str) -> Work:
    """What a stage of that kind has to do."""
    trainer, prompt = recipe.trainer, problem_tokens(recipe)
    longest, length = trainer.max_completion_length, row_tokens(recipe)
    if kind == "warmup":
        warmup = recipe.warmup
        rows = warmup.steps * warmup.batch_size if isinstance(warmup, WarmupSft) else 0
        return Work(trained=float(rows * min(length, getattr(warmup, "max_length", 0))))
    train = recipe.judge.train if recipe.judge else None
    if kind == "judge_train" and train is not None:
        taught = float(train.steps * train.batch_size * judge_row_tokens(recipe, train))
        made = train.rollouts if train.labels is None else 0
        return Work(rows=made, prompt=prompt, longest=longest, trained=taught, at_once=_side_by_side(made, longest))
    if kind == "rollout":
        rows = (recipe.offline.problems if recipe.offline is not None else 0) * trainer.group_size
        return Work(
            rows=rows, prompt=prompt, longest=longest, scored=float(rows * length), at_once=_side_by_side(rows, longest)
        )
    if kind == "judge":
        rows = recipe.judge.measure if recipe.judge else 0
        return Work(rows=rows, prompt=prompt, longest=longest, at_once=_side_by_side(rows, longest))
    if kind == "train":
        return _training(recipe)
    return _measuring(recipe)


def _side_by_side(rows: int, longest: int) -> int:
    """Of so many responses to sample, those that are drawn at once."""
    return max(1, min(rows, sampled_at_once(longest)))


def _training(recipe: Recipe) -> Work:
    trainer = recipe.trainer
    rollouts = trainer.steps * trainer.prompts_per_step * trainer.group_size
    looks = trainer.steps // trainer.eval_every + 1 if trainer.eval_every else 0
    heldout = looks * recipe.data.heldout * trainer.eval_samples
    passes = int(trainer.trl.get("num_iterations", 1))
    # Old log-probabilities (taken with vLLM, or where rows are used again) and the reference model's.
    scoring = (recipe.generation.engine != "transformers" or passes > 1) + bool(trainer.trl.get("beta", 0.0))
    return Work(
        rows=(0 if recipe.offline is not None else rollouts) + heldout,
        prompt=problem_tokens(recipe),
        longest=trainer.max_completion_length,
        scored=float(rollouts * row_tokens(recipe) * scoring),
        trained=float(rollouts * row_tokens(recipe) * passes),
        at_once=rows_at_once(recipe),
    )


def judge_row_tokens(recipe: Recipe, train: JudgeTrain) -> int:
    """Of a labelled response, cut behind its first wrong step: about half of it."""
    whole = train.max_length if only_judge(recipe) else row_tokens(recipe)
    return max(1, min(whole, train.max_length) // 2)


def _measuring(recipe: Recipe) -> Work:
    """All benchmarks of the recipe, at the mean of their longest answers."""
    rows, tokens = 0, 0
    for bench in recipe.benchmarks:
        card = load_eval_card(bench.card)
        samples = (bench.k or card.k) * (bench.limit or card.rows or _BENCH_ROWS)
        rows += samples
        tokens += samples * (bench.max_new_tokens or card.sampling.max_new_tokens)
    longest = tokens // max(1, rows)
    side = batch_rows(longest) if eval_engine(recipe.generation.engine) == "transformers" else _VLLM_ROWS
    return Work(rows=rows, prompt=problem_tokens(recipe), longest=longest, at_once=max(1, min(rows, side)))


def seconds(
    work: Work, shape: Shape, weights: Weights, machine: Machine, *, workers: int, engine: str, checkpointing: bool
) -> tuple[float, float]:
    """(fastest, slowest) of a stage, from its work; `workers` share it."""
    expected, worst = work.sampled
    operations = 2 * weights.total
    backward = 4 if weights.trained == weights.total else 2  # adapters: no gradient of the frozen weights
    learned = work.trained * weights.total * (2 + backward + (2 if checkpointing else 0)) + work.scored * operations
    if machine.device is None:
        prompts = work.rows * work.prompt * operations
        fast, slow = (learned + prompts + sampled * operations for sampled in (expected, worst))
        return START_S[0] + fast / _CPU_RATE[1] / workers, START_S[1] + slow / _CPU_RATE[0] / workers
    device = machine.device
    learning = learned / (device.flops * _PEAK_SHARE) / workers
    bounds = []
    for tokens in (work.longest * _EXPECTED, float(work.longest)):
        kept = work.at_once * (work.prompt + tokens / 2) * shape.kv_bytes_per_token(weights.width)
        reading = (weights.total * weights.width + kept) / (device.bandwidth * _BANDWIDTH_SHARE)
        computing = work.at_once * operations / (device.flops * _PEAK_SHARE)
        step = max(reading, computing) + shape.layers * _LAYER_S[engine]
        batches = work.rows / (work.at_once * workers)
        prefill = work.rows * work.prompt * operations / (device.flops * _PEAK_SHARE) / workers
        bounds.append(batches * tokens * step + prefill)
    size = weights.total * weights.width
    return (
        START_S[0] + size / _LOAD_BYTES_S[1] + (bounds[0] + learning) / _FACTOR,
        START_S[1] + size / _LOAD_BYTES_S[0] + (bounds[1] + learning) * _FACTOR,
    )
