"""Training a step judge: transformers' Trainer on a token-classification model, one target at the end of every step.

TRL 1.16 ships no trainer of process reward models any more; transformers' own is all that is needed. The order of the
examples is fixed and checkpoints carry optimizer, schedule and random state, so a training that was killed ends in the
same weights as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.errors import UserError
from sgpo_cli.generation.load import load_tokenizer, save_policy
from sgpo_cli.judging.learned.examples import Example, collate, in_order
from sgpo_cli.judging.process_reward.encode import StepwiseWriter
from sgpo_cli.recipe.judgecards import ProcessRewardCard
from sgpo_cli.recipe.judgetraining import JudgeTrain
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.files import keep_jsonl, make_dir, remove_tree
from sgpo_cli.training.warmup_watch import newest_checkpoint, remove_torn, watch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainingArguments

_TOKENS_AT_ONCE = 16384
"""A device takes so many tokens in one pass; a larger share of a batch is accumulated."""


def open_writer(source: str | Path) -> StepwiseWriter:
    """Writes responses with the tokenizer of `source` as the trained judge will read them."""
    return StepwiseWriter(load_tokenizer(source), ProcessRewardCard(model=str(source), style="token_classification"))


def longest(source: str | Path, train: JudgeTrain) -> int:
    """Tokens of the longest response to learn from: longer ones than the model reads would be abstained on anyway."""
    from transformers import AutoConfig

    context = getattr(AutoConfig.from_pretrained(str(source)).get_text_config(), "max_position_embeddings", None)
    return min(train.max_length, context or train.max_length)


def train_judge(
    examples: Sequence[Example],
    *,
    source: str | Path,
    train: JudgeTrain,
    steps: int,
    home: Path,
    events: EventWriter,
) -> None:
    """Trains what is at `source` (a decoder, or a judge to go on with) and leaves `home/final`, a plain transformers
    folder with its tokenizer; a `final` that is there is left as it is.

    `home/metrics.jsonl` has a row a step; checkpoints lie in `home/checkpoints` until the end.

    Raises:
        UserError: no causal decoder at `source`.
        RunFailed: a loss that is not finite.
        Interrupted: a stop was asked for; a checkpoint of the last whole step is there.
    """
    from transformers import PrinterCallback, Trainer, set_seed

    final, checkpoints, metrics = home / "final", home / "checkpoints", home / "metrics.jsonl"
    if final.exists():
        remove_tree(checkpoints)
        return
    start = newest_checkpoint(checkpoints)
    set_seed(train.seed)
    model, tokenizer = _classifier(source), load_tokenizer(source)
    rows = in_order(examples, steps * train.batch_size, train.seed)
    make_dir(checkpoints)
    remove_torn(checkpoints)
    reached = 0 if start is None else int(start.name.rpartition("-")[2])
    keep_jsonl(metrics, lambda row: row["step"] <= reached)
    trainer = Trainer(
        model=model,
        args=_arguments(train, steps, checkpoints, max(len(example.ids) for example in rows), model),
        train_dataset=rows,
        data_collator=lambda batch: collate(batch, tokenizer.pad_token_id),
        callbacks=[
            watch(events, metrics, steps, what="the judge's training", rate="judge.train.learning_rate"),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    events.emit("progress", step=reached, total=steps)
    trainer.train(resume_from_checkpoint=None if start is None else str(start))
    if trainer.state.global_step < steps:
        stops.raise_if_asked(f"stopped at step {trainer.state.global_step} of {steps} of the judge's training")
    save_policy(trainer.accelerator.unwrap_model(trainer.model), tokenizer, final)
    remove_tree(checkpoints)


def _classifier(source: str | Path) -> PreTrainedModel:
    """The decoder at `source` with a head of two classes, a new one unless it has one; in training mode."""
    import torch
    from transformers import AutoModelForTokenClassification

    dtype = "auto" if torch.accelerator.is_available() else "float32"
    names: dict[str, Any] = {"id2label": {0: "wrong", 1: "right"}, "label2id": {"wrong": 0, "right": 1}}
    try:
        model = AutoModelForTokenClassification.from_pretrained(str(source), dtype=dtype, num_labels=2, **names)
    except (OSError, ValueError, ImportError) as problem:
        lines = str(problem).strip().splitlines()
        raise UserError(
            f"no judge can be made of this model: {lines[0] if lines else type(problem).__name__}",
            where=str(source),
            fix="judge.train.model takes a decoder that transformers has a token-classification head for",
        ) from problem
    model.config.use_cache = False
    return model


def _arguments(train: JudgeTrain, steps: int, folder: Path, longest: int, model: PreTrainedModel) -> TrainingArguments:
    import torch
    from transformers import TrainingArguments

    accelerator = torch.accelerator.is_available()
    fits = [n for n in range(1, train.batch_size + 1) if train.batch_size % n == 0 and n * longest <= _TOKENS_AT_ONCE]
    at_once = max(fits, default=1)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=train.batch_size // at_once,
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        max_grad_norm=1.0,
        lr_scheduler_type="linear",
        warmup_steps=round(train.warmup_share * steps),
        seed=train.seed,
        data_seed=train.seed,
        use_cpu=not accelerator,
        bf16=accelerator and model.dtype == torch.bfloat16,
        gradient_checkpointing=accelerator,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=train.save_every,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
