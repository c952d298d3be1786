"""What a stage will cost: time, memory part by part, disk, tokens and judge calls, before anything is paid.

Memory is a closed formula held against measured peaks (benchmarks/memory_estimate.py, docs/planning.md); time is rough,
and a range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sgpo_cli.pipeline.architecture import Shape
from sgpo_cli.pipeline.cost import memory, vllm
from sgpo_cli.pipeline.cost.disk import disk_gib
from sgpo_cli.pipeline.cost.machine import Machine, machine_of
from sgpo_cli.pipeline.cost.shapes import Weights, adapted_outputs, weights_of
from sgpo_cli.pipeline.cost.work import problem_tokens, row_tokens, rows_at_once, seconds, work_of
from sgpo_cli.pipeline.judge_cost import judge_cost, judge_memory_gib, learned_shape, policy_shape
from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.schema import Model, Recipe
from sgpo_cli.stages.engines import eval_engine

_GIB = 2**30
_PROCESS_GIB = {True: 1.2, False: 0.7}  # with an accelerator: its context and libraries' work space; else Python's own


def estimate(recipe: Recipe, kind: str) -> dict[str, Any]:
    """`seconds [lo, hi]`, `memory_gib` of the largest process and its parts under `memory`, `tokens`, `disk_gib`,
    `judge_calls`, and the basis; null with a `reason` when the model's size is unknown."""
    machine = machine_of(recipe.launch)
    if kind == "report":
        return {"seconds": [0.3, 3.0], "memory_gib": 0.1, "judge_calls": 0, "basis": basis(machine)}
    if _reads_only(recipe):
        return {"seconds": None, "memory_gib": None, "judge_calls": 0, "reason": "it depends on the rows to be read"}
    shape = _shape(recipe, kind)
    judging = judge_cost(recipe, kind, problem_tokens=problem_tokens(recipe))
    if shape is None:
        reason = "the model's config.json is not on this machine: its size is unknown"
        return {"seconds": None, "memory_gib": None, **judging, "reason": reason}
    weights = weights_of(_model(recipe, kind), shape, accelerator=machine.accelerator)
    work = work_of(recipe, kind)
    everyone = recipe.launch.processes * recipe.launch.nodes if kind == "train" else 1
    engine: str = recipe.generation.engine if kind == "train" else "transformers"
    if kind == "eval":
        engine = eval_engine(recipe.generation.engine)
    span = seconds(
        work, shape, weights, machine, workers=everyone, engine=engine, checkpointing=checkpointed(recipe, machine)
    )
    sampled = work.sampled
    size = size_of(recipe, kind)
    assert size is not None
    return {
        "seconds": [round(span[0], 1), round(span[1], 1)],
        "memory_gib": size.gib,
        "memory": size.to_json(),
        "tokens": {"sampled": sampled[0], "sampled_at_most": sampled[1], "trained": int(work.trained)},
        "disk_gib": round(disk_gib(recipe, kind, weights), 1),
        **judging,
        "parameters": weights.total,
        "trained_parameters": weights.trained if kind in {"train", "warmup", "judge_train"} else 0,
        "basis": basis(machine),
    }


@dataclass(frozen=True, slots=True)
class Size:
    """The memory of a stage's largest process, and what it finds."""

    parts: memory.Parts
    machine: Machine
    room: vllm.Room | None
    """What vLLM needs of it; None where it is not opened in the process."""

    @property
    def gib(self) -> float:
        return round(self.parts.peak / _GIB, 1)

    @property
    def too_much(self) -> bool:
        """Whether the process needs more than the device has, whatever vLLM's share is."""
        return self.parts.peak / _GIB > self.machine.memory_gib

    @property
    def starts(self) -> bool:
        """Whether vLLM starts in its share."""
        return self.room is None or self.room.fits

    @property
    def fits(self) -> bool:
        return self.starts and not self.too_much

    def to_json(self) -> dict[str, Any]:
        """Parts in GiB at the peak, the device and what it has, what vLLM needs, and whether all of that fits."""
        return {
            "parts": {name: round(size / _GIB, 3) for name, size in self.parts.at_peak().items()},
            "device": self.machine.name,
            "has_gib": round(self.machine.memory_gib, 1),
            "vllm": None if self.room is None else self.room.to_json(),
            "fits": self.fits,
        }


def size_of(recipe: Recipe, kind: str) -> Size | None:
    """The memory part of `estimate` alone; None where it is not known."""
    shape = None if kind == "report" or _reads_only(recipe) else _shape(recipe, kind)
    if shape is None:
        return None
    machine = machine_of(recipe.launch)
    weights = weights_of(_model(recipe, kind), shape, accelerator=machine.accelerator)
    room = vllm.room(recipe, kind, shape, weights, machine)
    return Size(parts_of(recipe, kind, shape, weights, machine), machine, room)


def _reads_only(recipe: Recipe) -> bool:
    """Whether a judge reads rows and nothing is trained."""
    return only_judge(recipe) and (recipe.judge is None or recipe.judge.train is None)


def _shape(recipe: Recipe, kind: str) -> Shape | None:
    """The shape of the model that a stage holds."""
    return learned_shape(recipe) if only_judge(recipe) or kind == "judge_train" else policy_shape(recipe)


def basis(machine: Machine) -> str:
    """How good the estimates are, and for which hardware they were made."""
    if machine.device is None:
        return f"for {machine.name}: memory within a fifth of what was measured, times within a factor of 3"
    where = f"this machine's {machine.name}" if machine.here else f"{machine.name} (launch.device)"
    return f"for {where}, from data sheets: never measured on one by us; times may be off by 2.5 either way"


def checkpointed(recipe: Recipe, machine: Machine) -> bool:
    """Whether activations are computed again in the backward pass: the default on an accelerator."""
    return bool(recipe.trainer.trl.get("gradient_checkpointing", machine.accelerator))


def _model(recipe: Recipe, kind: str) -> Model:
    """The model that a stage holds: adapters are trained by RL only."""
    model = recipe.model
    if kind == "train" or model.lora is None:
        return model
    return Model(path=model.path, scratch=model.scratch, dtype="float32" if kind == "judge_train" else model.dtype)


def parts_of(recipe: Recipe, kind: str, shape: Shape, weights: Weights, machine: Machine) -> memory.Parts:
    """The memory of the stage's largest process."""
    steady = {"process": _PROCESS_GIB[machine.accelerator] * _GIB}
    if kind in {"judge", "train"}:
        steady["judge"] = judge_memory_gib(recipe, accelerator=machine.accelerator) * _GIB
    if kind == "train":
        return _training(recipe, shape, weights, machine, steady)
    if kind in {"warmup", "judge_train"}:
        batch, length = _taught(recipe, kind)
        steady |= memory.held_for_training(weights, memory.Sharding())
        whole = memory.Sharding()
        return memory.Parts(steady, _learning(shape, weights, whole, batch, length, False, 1, machine.accelerator))
    steady["weights"] = weights.bytes
    if only_judge(recipe):
        return memory.Parts(steady)
    if kind == "eval" and eval_engine(recipe.generation.engine) == "vllm":
        # It takes what there is: 0.9 of the device, unless the weights alone need more.
        steady["vLLM"] = max(0.0, vllm.ALONE * machine.memory_gib * _GIB - weights.bytes)
        return memory.Parts(steady)
    work = work_of(recipe, kind)
    return memory.Parts(
        steady, {"sampling": memory.sampling(shape, work.at_once, work.prompt, work.longest, weights.width)}
    )


def _taught(recipe: Recipe, kind: str) -> tuple[int, int]:
    """(rows, tokens) of a batch of supervised training."""
    train = recipe.judge.train if recipe.judge is not None else None
    if kind == "judge_train" and train is not None:
        return max(1, min(train.batch_size * train.max_length, 16384) // train.max_length), train.max_length
    warmup = recipe.warmup
    if isinstance(warmup, WarmupSft):
        return warmup.batch_size, min(row_tokens(recipe), warmup.max_length)
    return 1, row_tokens(recipe)


def _training(
    recipe: Recipe, shape: Shape, weights: Weights, machine: Machine, steady: dict[str, float]
) -> memory.Parts:
    launch, trainer = recipe.launch, recipe.trainer
    shards = memory.sharding(launch.strategy, launch.processes * launch.nodes)
    steady |= memory.held_for_training(weights, shards, str(trainer.trl.get("optim", "")))
    full = weights.trained == weights.total
    if trainer.trl.get("beta", 0.0) and full:
        steady["reference model"] = weights.total * weights.width / shards.weights
    rows = rows_at_once(recipe)
    share = max(1, rows // trainer.updates_per_step)
    micro = min(trainer.micro_batch or share, share)
    length = row_tokens(recipe)
    again = checkpointed(recipe, machine)
    phases = _learning(shape, weights, shards, micro, length, again, share // micro, machine.accelerator)
    if launch.strategy == "ddp" and launch.processes * launch.nodes > 1:
        # What is sent is a copy: neither transformers nor accelerate asks DDP for views.
        steady["gradient buckets"] = memory.gradients(weights, shards)
    lora = recipe.model.lora
    if lora is not None and not machine.accelerator:
        made = adapted_outputs(lora, shape) * shape.layers * weights.width
        phases["backward"]["allocator"] += micro * length * made
    if machine.accelerator:
        # Triton's head scores the answers only; elsewhere every position of a row.
        answers = micro * trainer.max_completion_length
        phases["backward"]["logits"] = memory.head(shape, answers, weights.width, trained=full, accelerator=True)
    if shards.weights > 1:
        # Layers are gathered for their turn: two at a time, in the type they are computed in.
        steady["gathered layers"] = 2 * weights.total / shape.layers * weights.width
    if recipe.offline is not None:
        return memory.Parts(steady, phases)
    if recipe.generation.engine == "vllm":
        steady["vLLM"] = vllm.share_of(recipe) * machine.memory_gib * _GIB
    elif recipe.generation.engine == "transformers":
        prompt = length - trainer.max_completion_length
        phases["sampling"] = memory.sampling(shape, rows, prompt, trainer.max_completion_length, weights.width)
        if not machine.accelerator:
            holes = memory.CACHE_HOLES * memory.cache(shape, rows, length, weights.width)
            phases["sampling"]["allocator"] = holes
        if shards.weights > 1:
            phases["sampling"]["weights gathered to sample"] = float(weights.total * weights.width)
    return memory.Parts(steady, phases)


def _learning(
    shape: Shape,
    weights: Weights,
    shards: memory.Sharding,
    micro: int,
    length: int,
    checkpointing: bool,
    accumulated: int,
    accelerator: bool,
) -> dict[str, dict[str, float]]:
    """Forward and backward of one micro-batch, with earlier ones' gradients beside it, and the optimizer's step."""
    full = weights.trained == weights.total
    whole = memory.gradients(weights, shards)
    kept, all_layers = (
        memory.backbone_activations(shape, micro, length, weights.width, checkpointing=again)
        for again in (checkpointing, False)
    )
    logits = memory.head(shape, micro * length, weights.width, trained=full, accelerator=accelerator)
    return {
        "backward": {
            "activations": kept,
            "logits": logits,
            "allocator": 0.0 if accelerator else memory.HOLES * (all_layers + logits),
            "gradients": whole if accumulated > 1 else 0.0,
        },
        # The first layer is the last to go back, with all other gradients made: the most where layers are recomputed.
        "first layer": {
            "activations": all_layers / shape.layers,
            "gradients": whole,
            "allocator": 0.0 if accelerator else memory.HOLES * all_layers,
        },
        "step": {"gradients": whole},
    }
