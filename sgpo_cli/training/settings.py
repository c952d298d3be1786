"""The recipe's trainer section as TRL's GRPOConfig."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import Recipe


def grpo_config(recipe: Recipe, output: Path, weights: list[float], dtype: torch.dtype) -> GRPOConfig:
    """GRPOConfig for this process of the launch; `dtype` is that of the loaded policy.

    A step's rows are split into `updates_per_step` equal shares, one optimizer update each; a share is taken in one go
    or in micro-batches. Without an accelerator: the CPU in float32, no gradient checkpointing (TRL's defaults, bfloat16
    and checkpointing, are slower there).
    """
    trainer, generation = recipe.trainer, recipe.generation
    device_rows, accumulation = share_of_rows(recipe)
    cpu = not torch.accelerator.is_available()
    settings: dict[str, Any] = {
        "lr_scheduler_type": "constant",
        "gradient_checkpointing": not cpu,
        "dataloader_pin_memory": not cpu,
        "logging_nan_inf_filter": False,
        **trainer.trl,
        "output_dir": str(output),
        "seed": recipe.seed,
        "learning_rate": trainer.learning_rate,
        "num_generations": trainer.group_size,
        "per_device_train_batch_size": device_rows,
        "gradient_accumulation_steps": accumulation,
        "steps_per_generation": trainer.updates_per_step * accumulation,
        "max_steps": trainer.steps * updates_per_step(recipe),
        "max_completion_length": trainer.max_completion_length,
        "temperature": generation.temperature,
        "top_p": generation.top_p,
        "top_k": generation.top_k,
        "reward_weights": weights,
        "shuffle_dataset": False,
        "remove_unused_columns": False,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "save_strategy": "no",
        "eval_strategy": "no",
        "report_to": list(recipe.track) or "none",
        "run_name": recipe.name,
        "disable_tqdm": True,
        "use_cpu": cpu,
        "bf16": not cpu and dtype == torch.bfloat16,
        "fp16": not cpu and dtype == torch.float16,
        # In these processes, on their devices; TRL imports vLLM only then. How long a sequence may be it reads from the
        # model's own config, and its share of a GPU's memory is TRL's (0.3), unless `trl` says otherwise.
        "use_vllm": generation.engine != "transformers",
        "vllm_mode": "server" if generation.engine == "vllm_server" else "colocate",
    }
    if generation.engine == "vllm_server":
        settings |= {"vllm_server_base_url": generation.server, "vllm_server_timeout": generation.server_timeout}
    try:
        return GRPOConfig(**settings)
    except (TypeError, ValueError) as problem:
        raise UserError(f"TRL refuses these settings: {problem}", where="trainer") from problem


def updates_per_step(recipe: Recipe) -> int:
    """Optimizer updates a step, TRL's own passes over the same rows (`num_iterations`) included."""
    return recipe.trainer.updates_per_step * int(recipe.trainer.trl.get("num_iterations", 1))


def share_of_rows(recipe: Recipe) -> tuple[int, int]:
    """(rows a device takes at once, micro-batches an update) for the processes of this launch, whatever launched them.

    `UserError` when the shares are not whole.
    """
    trainer, processes = recipe.trainer, int(os.environ.get("WORLD_SIZE", "1"))
    rows = trainer.prompts_per_step * trainer.group_size
    share, left = divmod(rows, trainer.updates_per_step * processes)
    micro = trainer.micro_batch or share
    if left or share % micro:
        raise UserError(
            f"{rows} rollouts a step do not split into {trainer.updates_per_step} updates on {processes} processes"
            + (f" in micro-batches of {micro}" if trainer.micro_batch else ""),
            where="trainer",
            fix="prompts_per_step * group_size must be a multiple of updates_per_step * processes * micro_batch",
        )
    return micro, share // micro
