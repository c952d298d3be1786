"""Low-rank adapters (peft): made from the recipe, watched in the sampler, merged into a plain model to be saved.

LoRA: Hu et al., arXiv 2106.09685; on quantized weights (QLoRA): Dettmers et al., arXiv 2305.14314.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.recipe.schema import Lora
from sgpo_cli.runs.files import remove_tree, writing

_ADAPTER = "default"


def lora_config(lora: Lora, model: PreTrainedModel) -> Any:
    """peft's configuration for these adapters on `model`.

    Raises:
        UserError: peft is not installed, or a target that is no linear layer of the model.
    """
    try:
        from peft import LoraConfig
    except ImportError as problem:
        raise UserError(
            f"model.lora needs peft, which is not installed ({problem})",
            where="model.lora",
            fix="pip install 'sgpo-cli[lora]'",
        ) from problem
    if lora.targets is not None:
        there = linear_names(model)
        missing = [name for name in lora.targets if name not in there]
        if missing:
            what = f"the model has no linear layer named {', '.join(missing)}"
            raise UserError(what, where="model.lora.targets", fix=f"its linear layers: {', '.join(sorted(there))}")
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) if lora.targets is not None else "all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )


def linear_names(model: PreTrainedModel) -> set[str]:
    """The last part of the names of all linear layers but the output head."""
    head = model.get_output_embeddings()
    return {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }


def is_adapted(model: Any) -> bool:
    """Whether `model` is a base model with adapters around it."""
    return hasattr(model, "peft_config")


@torch.no_grad()
def merged(model: Any) -> PreTrainedModel:
    """A plain model with the adapters' product added to the weights, on the CPU; `model` itself is left as it is.

    Merging in place and taking the product off again would leave rounding errors behind, and a resumed run would no
    longer equal a straight one.
    """
    from peft.tuners.lora import LoraLayer

    base = model.get_base_model()
    state: dict[str, torch.Tensor] = {}
    for name, value in base.state_dict().items():
        if ".lora_" in name or _quantizer_state(name):
            continue
        state[name.replace(".base_layer.", ".")] = value.detach().to("cpu", copy=True)
    for name, module in base.named_modules():
        if isinstance(module, torch.nn.Linear) and not module.weight.dtype.is_floating_point:
            # Packed, and with an adapter around it or without.
            plain_name = f"{name}.".replace(".base_layer.", ".")
            state[f"{plain_name}weight"] = _full_weight(module).to(base.dtype).cpu()
    for name, module in base.named_modules():
        if isinstance(module, LoraLayer) and _ADAPTER in module.active_adapters:
            weight = _full_weight(module.get_base_layer())
            product = module.get_delta_weight(_ADAPTER).to(torch.float32)
            state[f"{name}.weight"] = (weight.to(torch.float32) + product).to(_kept_type(base, weight)).cpu()
    config = copy.deepcopy(base.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = type(base)(config)
    plain.load_state_dict(state, strict=True, assign=True)
    plain.tie_weights()
    plain.generation_config = base.generation_config
    return plain.eval()


def _quantizer_state(name: str) -> bool:
    """bitsandbytes keeps scales beside each packed weight."""
    return any(part in name for part in (".absmax", ".quant_map", ".nested_", ".quant_state", ".SCB", "weight_format"))


def _full_weight(layer: torch.nn.Module) -> torch.Tensor:
    """A linear layer's weight, unpacked where it is quantized."""
    from peft.utils.integrations import dequantize_module_weight

    weight: torch.Tensor = dequantize_module_weight(layer).detach()
    return weight


def _kept_type(model: Any, weight: torch.Tensor) -> torch.dtype:
    return weight.dtype if weight.dtype.is_floating_point else model.dtype


def save_adapter(model: Any, folder: Path) -> None:
    """Writes the adapters alone in peft's format, complete or not at all."""
    beside = folder.with_name(f".{folder.name}.new")
    with writing(folder):
        if beside.exists():
            remove_tree(beside)
        model.save_pretrained(str(beside))
        if folder.exists():
            remove_tree(folder)
        beside.rename(folder)


class SamplerWatch(TrainerCallback):
    """Stops a run whose sampler does not see what the adapters learn.

    A rollout engine that goes on sampling from the base model gives a run that looks healthy and learns nothing. Once
    an update has moved the adapters so far that the policy answers a fixed prompt otherwise, so must its sampler.
    """

    def __init__(self, model: Callable[[], Any], ids: list[int]) -> None:
        """`model()`: the policy with its adapters, out of any wrapper; `ids`: the prompt."""
        self._model = model
        self._ids = ids
        self._policy: torch.Tensor | None = None
        self._sampler: torch.Tensor | None = None
        self.seen = False
        """Whether the check was made."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._policy, self._sampler = self._look()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **_: Any
    ) -> None:
        if self.seen or self._policy is None or self._sampler is None or not _updated(logs or {}):
            return
        policy, sampler = self._look()
        if torch.equal(self._policy, policy):
            return  # too small an update for these numbers' precision: the next ones are looked at
        self.seen = True
        if not has_moved(self._model()) or torch.equal(self._sampler, sampler):
            raise RunFailed(
                f"update {state.global_step} trained the adapters, and what samples the rollouts did not change",
                fix="rollouts come from the base model: check the versions of trl, peft and transformers",
            )

    def _look(self) -> tuple[torch.Tensor, torch.Tensor]:
        model = self._model()
        return next_logprobs(model, self._ids), sampler_logprobs(model, self._ids)


def _updated(logs: Mapping[str, Any]) -> bool:
    """Whether these are the figures of an update that changed weights; one in float16 that overflowed is skipped."""
    norm = float(logs.get("grad_norm") or 0.0)
    return math.isfinite(norm) and norm > 0 and float(logs.get("learning_rate") or 0.0) > 0


def has_moved(model: Any) -> bool:
    """Whether any adapter's product is not zero: the second matrices (lora_B) all begin at zero."""
    return any(bool(value.any()) for name, value in model.named_parameters() if ".lora_B." in name)


@torch.no_grad()
def next_logprobs(model: Any, ids: list[int]) -> torch.Tensor:
    """Log-probabilities (V,) of the token behind `ids`, as a forward pass in evaluation mode gives them."""
    with _evaluating(model):
        logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, -1]
    return logits.float().log_softmax(-1).cpu()


@torch.no_grad()
def sampler_logprobs(model: Any, ids: list[int]) -> torch.Tensor:
    """The same (V,), as `generate` gives them, by which transformers samples rollouts."""
    tokens = torch.tensor([ids], device=model.device)
    with _evaluating(model):
        made = model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=1,
            do_sample=False,
            return_dict_in_generate=True,
            output_logits=True,
        )
    return made.logits[0][0].float().log_softmax(-1).cpu()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
