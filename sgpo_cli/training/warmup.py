"""Warm-up: supervised fine-tuning of the policy on problems and solutions, before any RL.

A thin use of transformers' Trainer on rows of ids, the loss on the response only. The rows stand in a fixed order
(warmup_data.py) and checkpoints carry optimizer, schedule and random state, so a warm-up that was killed ends in the
same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.generation.load import load_policy, load_tokenizer, save_policy
from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.recipe.schema import Data, Model
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.files import keep_jsonl, make_dir, remove_tree
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.long_problems import prompt_lengths
from sgpo_cli.training.random_policy import random_policy
from sgpo_cli.training.warmup_data import collate, encode, warmup_rows
from sgpo_cli.training.warmup_watch import newest_checkpoint, remove_torn, watch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

_TOKENS_AT_ONCE = 16384
"""A device takes so many tokens in one pass; a larger share of a batch is accumulated. Memory, not the result,
depends on it.
"""


def run_warmup(*, model: Model, data: Data, warmup: WarmupSft, stage: StageDir, events: EventWriter) -> None:
    """Trains and leaves `stage.final`, a plain transformers folder with its tokenizer.

    Resumes from the newest whole checkpoint under `stage.checkpoints`, which are removed at the end; `stage.metrics`
    has a row a step (`step, loss, learning_rate, grad_norm`), cut back to that checkpoint. A `stage.final` that is
    there already is left as it is.

    Raises:
        UserError: data or model cannot be used (see load_rows, load_policy, encode).
        Interrupted: a stop was asked for; a checkpoint of the last whole step is there.
    """
    from transformers import PrinterCallback, Trainer, set_seed

    if stage.final.exists():
        # It is written whole, after the last step: only its caller's mark, or the cleaning up, was cut off.
        _clean_up(stage)
        return
    start = newest_checkpoint(stage.checkpoints)
    set_seed(warmup.seed)
    policy, tokenizer = _policy(model, data, warmup.seed)
    rows = warmup_rows(data, warmup, prompt_lengths(model, data.prompt, tokenizer))
    examples = encode(rows, tokenizer, model=model, template=data.prompt, max_length=warmup.max_length)
    make_dir(stage.checkpoints)
    reached = 0 if start is None else int(start.name.rpartition("-")[2])
    if _rank() == 0:
        remove_torn(stage.checkpoints)
        keep_jsonl(stage.metrics, lambda row: row["step"] <= reached)

    longest = max(len(example.ids) for example in examples)
    trainer = Trainer(
        model=policy,
        args=_arguments(warmup, stage.checkpoints, longest),
        train_dataset=examples,
        data_collator=lambda batch: collate(batch, tokenizer.pad_token_id),
        callbacks=[watch(events, stage.metrics if _rank() == 0 else None, warmup.steps)],
    )
    trainer.remove_callback(PrinterCallback)
    events.emit("progress", step=reached, total=warmup.steps)
    trainer.train(resume_from_checkpoint=None if start is None else str(start))
    if trainer.state.global_step < warmup.steps:
        stops.raise_if_asked(f"stopped at warm-up step {trainer.state.global_step} of {warmup.steps}, state saved")
    if trainer.is_world_process_zero():
        save_policy(trainer.accelerator.unwrap_model(trainer.model), tokenizer, stage.final)
    _clean_up(stage)
    trainer.accelerator.wait_for_everyone()


def _clean_up(stage: StageDir) -> None:
    """Checkpoints hold the optimizer's state, several times the policy's size; `final` is all that is used later."""
    if _rank() == 0:
        remove_tree(stage.checkpoints)


def _policy(model: Model, data: Data, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The policy before the warm-up, and its tokenizer: what is at `model.path`, or random weights."""
    if model.path is None:
        return random_policy(model, data, seed=seed)
    revision, trusted = model.revision, model.trust_remote_code
    tokenizer = load_tokenizer(
        model.path, chat_template=model.chat_template, revision=revision, trust_remote_code=trusted
    )
    return load_policy(model.path, dtype=model.dtype, revision=revision, trust_remote_code=trusted), tokenizer


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _arguments(warmup: WarmupSft, folder: Path, longest: int) -> TrainingArguments:
    import torch
    from transformers import TrainingArguments

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    share, rest = divmod(warmup.batch_size, processes)
    if rest:
        raise UserError(
            f"warmup.batch_size {warmup.batch_size} does not divide over {processes} processes",
            fix="change warmup.batch_size or launch.processes",
        )
    at_once = _micro_batch(share, longest)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=warmup.steps,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=share // at_once,
        learning_rate=warmup.learning_rate,
        adam_beta1=warmup.betas[0],
        adam_beta2=warmup.betas[1],
        weight_decay=warmup.weight_decay,
        max_grad_norm=1.0,
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=min(warmup.warmup_steps, warmup.steps),
        lr_scheduler_kwargs={"num_decay_steps": round(warmup.decay * warmup.steps), "decay_type": "linear"},
        seed=warmup.seed,
        data_seed=warmup.seed,
        use_cpu=not torch.accelerator.is_available(),
        bf16=False,
        gradient_checkpointing=torch.accelerator.is_available(),
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=warmup.save_every,
        save_total_limit=2,
        ddp_find_unused_parameters=False,
        report_to="none",
        disable_tqdm=True,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )


def _micro_batch(share: int, longest: int) -> int:
    """The largest divisor of a process's share whose rows, padded to the longest, stay within _TOKENS_AT_ONCE."""
    fits = [rows for rows in range(1, share + 1) if share % rows == 0 and rows * longest <= _TOKENS_AT_ONCE]
    return max(fits, default=1)
