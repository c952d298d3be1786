"""`trainer.trl`: fields of TRL's GRPOConfig that are neither a key of the recipe nor set by us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.trl_fields import TrlField, field_names, trl_fields
from sgpo_cli.recipe.trl_ranges import RANGES
from sgpo_cli.recipe.words import nearest, say

# Fields that have a key of their own in the recipe.
NAMED = {
    "learning_rate": "trainer.learning_rate",
    "num_generations": "trainer.group_size",
    "num_generations_eval": "trainer.eval_samples",
    "max_completion_length": "trainer.max_completion_length",
    "max_steps": "trainer.steps",
    "num_train_epochs": "trainer.steps",
    "per_device_train_batch_size": "trainer.micro_batch",
    "per_device_eval_batch_size": "trainer.micro_batch",
    "auto_find_batch_size": "trainer.micro_batch",
    "gradient_accumulation_steps": "trainer.micro_batch",
    "steps_per_generation": "trainer.updates_per_step",
    "generation_batch_size": "trainer.prompts_per_step",
    "temperature": "generation.temperature",
    "top_p": "generation.top_p",
    "top_k": "generation.top_k",
    "use_transformers_continuous_batching": "generation.engine",
    "use_transformers_paged": "generation.engine",
    "transformers_continuous_batching_config": "generation.engine",
    "seed": "seed",
    "data_seed": "seed",
    "bf16": "model.dtype",
    "fp16": "model.dtype",
    "bf16_full_eval": "model.dtype",
    "fp16_full_eval": "model.dtype",
    "model_init_kwargs": "model.dtype or model.revision",
    "trust_remote_code": "model.trust_remote_code",
    "reward_weights": "reward[].weight",
    "shuffle_dataset": "data.order",
    "train_sampling_strategy": "data.order",
    "report_to": "track",
    "run_name": "name",
    "project": "track",
    "save_total_limit": "trainer.keep",
    "save_steps": "trainer.save_every",
    "save_strategy": "trainer.save_every",
    "eval_steps": "trainer.eval_every",
    "eval_strategy": "trainer.eval_every",
}

_SHARDING = "launch.strategy says how the policy is sharded; launch.config_file takes accelerate's own file"

# Fields that we set, and whoever wants them otherwise cannot have it: why.
OWNED = {
    "output_dir": "the run directory is runs/NAME: write name",
    "use_cpu": "an accelerator is used when there is one; hide it with launch.env (CUDA_VISIBLE_DEVICES)",
    "remove_unused_columns": "the rewards and the judge read all columns",
    "resume_from_checkpoint": "a run resumes by itself; sgpo train --restart begins anew",
    "ignore_data_skip": "a run resumes by itself, at the same problems",
    "restore_callback_states_from_checkpoint": "a run resumes by itself",
    "enable_jit_checkpoint": "a stop request saves a checkpoint by itself",
    "load_best_model_at_end": "the best and the last policy are both kept",
    "metric_for_best_model": "the best policy is the one with the best held-out accuracy",
    "greater_is_better": "the best policy is the one with the best held-out accuracy",
    "disable_tqdm": "progress is shown from the run's events",
    "log_completions": "every rollout is in rollouts.jsonl: sgpo show RUN --step N",
    "log_multimodal": "every rollout is in rollouts.jsonl: sgpo show RUN --step N",
    "log_unique_prompts": "every rollout is in rollouts.jsonl: sgpo show RUN --step N",
    "log_completions_hub_repo": "every rollout is in rollouts.jsonl: sgpo show RUN --step N",
    "num_completions_to_print": "every rollout is in rollouts.jsonl: sgpo show RUN --step N",
    "log_level": "a stage's log is in stages/NAME/log.txt",
    "log_level_replica": "a stage's log is in stages/NAME/log.txt",
    "log_on_each_node": "a stage's log is in stages/NAME/log.txt",
    "do_train": "stages decide what is done",
    "do_eval": "stages decide what is done",
    "do_predict": "stages decide what is done",
    "local_rank": "launch says how processes are started",
    "dataloader_drop_last": "every row of a step is trained on",
    "label_names": "the trainer knows its own inputs",
    "length_column_name": "problems are not grouped by length: groups stay whole",
    "prediction_loss_only": "held-out problems are measured by sampling, not by loss",
    "include_for_metrics": "held-out problems are measured by sampling, not by loss",
    "batch_eval_metrics": "held-out problems are measured by sampling, not by loss",
    "fsdp": _SHARDING,
    "fsdp_config": _SHARDING,
    "deepspeed": _SHARDING,
    "ds3_gather_for_generation": _SHARDING,
    "parallelism_config": _SHARDING,
}

# Of the family `vllm_` what `generation.engine: vllm` leaves to the recipe.
TUNED = (
    "vllm_gpu_memory_utilization",
    "vllm_max_model_length",
    "vllm_importance_sampling_correction",
    "vllm_importance_sampling_mode",
    "vllm_importance_sampling_clip_max",
    "vllm_importance_sampling_clip_min",
)

# The same for whole families of names, after the exact ones.
FAMILIES = {
    "logging_": "metrics are written every step: metrics.jsonl",
    "eval_": "held-out measurement is ours: trainer.eval_every, trainer.eval_samples, data.heldout",
    "save_": "checkpoints are ours, on rollout boundaries: trainer.save_every, trainer.keep",
    "hub_": "nothing is pushed while training; final/ is a plain folder to upload afterwards",
    "push_to_hub": "nothing is pushed while training; final/ is a plain folder to upload afterwards",
    "trackio_": "write track: [trackio]; its space is chosen by its own environment variables (launch.env)",
    "use_vllm": "generation.engine says what generates",
    "vllm_": f"generation.engine says what generates; with vllm a recipe may set {', '.join(TUNED)}",
}

# The values of the fields where a misspelt one fails only at the first update. TRL's grpo_trainer.py has them.
CHOICES = {
    "loss_type": ("grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo", "vespo"),
    "importance_sampling_level": ("token", "sequence"),
    "scale_rewards": ("group", "batch", "none"),
    "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
    "vllm_importance_sampling_mode": ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
}


@reads("trainer.trl")
def trl_fields_are_free(view: View) -> None:
    given = view.recipe.trainer.trl
    if not given:
        return
    known = trl_fields()
    if known is None:
        what = "trainer.trl is not checked: TRL's sources are not where this version of sgpo looks for them"
        view.warn("trainer.trl", what, "sgpo doctor shows the versions that work")
    for name, value in given.items():
        at = f"trainer.trl.{name}"
        if name in NAMED:
            view.error(at, f"{at} has a key of its own in the recipe", f"write {NAMED[name]}")
        elif (reason := reserved(name)) is not None:
            view.error(at, f"{at} is set by sgpo itself", reason)
        elif known is not None and name not in known:
            view.error(at, f"{at} is no field of TRL's GRPOConfig", _nearest_fields(name, known))
        elif (names := field_names(name)) is not None:
            _check_name(view, at, value, names)
        else:
            _check_value(view, at, value, known.get(name) if known else None, CHOICES.get(name))


@reads("trainer.trl", "generation.engine")
def vllm_fields_need_vllm(view: View) -> None:
    if view.recipe.generation.engine != "transformers":
        return
    for name in (name for name in TUNED if name in view.recipe.trainer.trl):
        at = f"trainer.trl.{name}"
        view.error(at, f"{at} does nothing: transformers generates", "write generation.engine: vllm, or take it out")


def reserved(name: str) -> str | None:
    """Why a field of TRL's is ours alone; None when it is not."""
    if name in TUNED:
        return None
    return OWNED.get(name) or next((why for family, why in FAMILIES.items() if name.startswith(family)), None)


def free_fields(known: Iterable[str]) -> list[str]:
    """The fields that a recipe may set under `trainer.trl`, by name."""
    return sorted(name for name in known if name not in NAMED and reserved(name) is None)


def _nearest_fields(name: str, known: Mapping[str, TrlField]) -> str:
    free = free_fields(known)
    near = nearest(name, [*free, *NAMED], 2)
    guesses = " or ".join(field if field in free else NAMED[field] for field in near)
    return f"did you mean {guesses}?" if near else f"fields to set here: {', '.join(free)}"


def _check_name(view: View, at: str, value: Any, names: tuple[str, ...]) -> None:
    """One of the many names that transformers has for a field."""
    if value in names:
        return
    near = nearest(str(value), names, 3)
    fix = f"did you mean {' or '.join(near)}?" if near else f"it knows {', '.join(names)}"
    view.error(at, f"{at}: transformers knows none of that name, got {say(value)}", fix)


def _check_value(view: View, at: str, value: Any, field: TrlField | None, choices: tuple[str, ...] | None) -> None:
    if choices is not None:
        # TRL reads true and false as two of scale_rewards' values.
        if value not in choices and not (at.endswith(".scale_rewards") and isinstance(value, bool)):
            near = nearest(str(value), choices, 1)
            fix = f"did you mean {near[0]}?" if near else None
            view.error(at, f"{at} must be one of {', '.join(choices)}, got {say(value)}", fix)
        return
    takes = field.takes if field is not None else frozenset[str]()
    if takes and not _fits(value, takes):
        names = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "text", "None": "null"}
        wanted = " or ".join(names.get(kind, f"a {kind}") for kind in sorted(takes))
        view.error(at, f"{at} must be {wanted}, got {say(value)}")
        return
    bounds = RANGES.get(at.rpartition(".")[2])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if bounds is not None and number and not bounds.admits(value):
        view.error(at, f"{at} must be {bounds}, got {say(value)}")


def _fits(value: Any, takes: frozenset[str]) -> bool:
    kind = "None" if value is None else type(value).__name__
    return kind in takes or (kind == "int" and "float" in takes)
