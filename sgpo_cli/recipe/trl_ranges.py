"""The numbers that fields under `trainer.trl` may have.

Others TRL, transformers or vLLM would refuse, or do nothing sound with, once all before the first update is paid for.
"""

from __future__ import annotations

from sgpo_cli.recipe.ranges import Range

_NOT_NEGATIVE, _ABOVE_ZERO, _ONE_OR_MORE = Range(ge=0), Range(gt=0), Range(ge=1)
_SHARE, _SHARE_ABOVE_ZERO, _DECAY = Range(ge=0, le=1), Range(gt=0, le=1), Range(ge=0, lt=1)

RANGES = {
    # the loss
    "beta": _NOT_NEGATIVE,
    "epsilon": _NOT_NEGATIVE,
    "epsilon_high": _NOT_NEGATIVE,
    "delta": _ABOVE_ZERO,
    "num_iterations": _ONE_OR_MORE,
    "top_entropy_quantile": _SHARE,
    "sapo_temperature_neg": _ABOVE_ZERO,
    "sapo_temperature_pos": _ABOVE_ZERO,
    "ref_model_mixup_alpha": _SHARE,
    "ref_model_sync_steps": _ONE_OR_MORE,
    # sampling
    "min_p": _SHARE,
    "repetition_penalty": _ABOVE_ZERO,
    "vllm_gpu_memory_utilization": _SHARE_ABOVE_ZERO,
    "vllm_max_model_length": _ONE_OR_MORE,
    "vllm_importance_sampling_clip_max": _ABOVE_ZERO,
    "vllm_importance_sampling_clip_min": _NOT_NEGATIVE,
    # the optimizer
    "adam_beta1": _DECAY,
    "adam_beta2": _DECAY,
    "adam_epsilon": _NOT_NEGATIVE,
    "max_grad_norm": _NOT_NEGATIVE,
    "warmup_ratio": _SHARE,
    "warmup_steps": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    # the rest
    "dataloader_num_workers": _NOT_NEGATIVE,
    "ddp_bucket_cap_mb": _ABOVE_ZERO,
    "ddp_timeout": _ABOVE_ZERO,
    "pad_to_multiple_of": _ONE_OR_MORE,
    "torch_empty_cache_steps": _ONE_OR_MORE,
}
