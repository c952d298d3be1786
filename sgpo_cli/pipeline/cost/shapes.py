"""What of a policy is trained, and in which numbers its weights are kept."""

from __future__ import annotations

from dataclasses import dataclass

from sgpo_cli.pipeline.architecture import Shape, linears
from sgpo_cli.recipe.schema import Lora, Model

_QUANTIZED_BITS = {"4bit": 4.5, "8bit": 8.25}
"""Of a quantized weight, its share of the scales included."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of one copy of the policy: numbers and bytes."""

    total: int
    """Parameters, adapters not counted."""
    trained: int
    """Parameters that get a gradient."""
    frozen_bytes: float
    """Bytes of the weights that get none, adapters not counted."""
    width: int
    """Bytes of a number in computation."""
    trained_width: int
    """Bytes of a trained weight."""

    @property
    def bytes(self) -> float:
        """All weights as the process keeps them."""
        return self.frozen_bytes + self.trained * self.trained_width


def weights_of(model: Model, shape: Shape, *, accelerator: bool) -> Weights:
    """`auto` is the published checkpoints' bfloat16 on an accelerator, and float32 on a CPU."""
    full = model.dtype == "float32" or (model.dtype == "auto" and not accelerator)
    width, total = 4 if full else 2, shape.parameters()
    if model.lora is None:
        return Weights(total, total, 0.0, width, width)
    trained = adapter_parameters(model.lora, shape)
    frozen = float(total * width)
    if model.lora.quantize is not None:
        linear = sum(rows * columns for _, rows, columns in linears(shape)) * shape.layers
        frozen = linear * _QUANTIZED_BITS[model.lora.quantize] / 8 + (total - linear) * width
    # TRL keeps adapters in the type that the model is computed in, but float32 beside quantized weights (peft).
    return Weights(total, trained, frozen, width, 4 if model.lora.quantize is not None else width)


def adapter_parameters(lora: Lora, shape: Shape) -> int:
    """Two matrices of `rank` for each linear layer that gets an adapter; the output head gets none."""
    chosen = [(i, o) for name, i, o in linears(shape) if lora.targets is None or name in lora.targets]
    return shape.layers * sum(lora.rank * (inputs + outputs) for inputs, outputs in chosen)


def adapted_outputs(lora: Lora, shape: Shape) -> int:
    """Numbers a token and layer that adapted linear layers make once more: peft adds the adapter's output to theirs."""
    return sum(outputs for name, _, outputs in linears(shape) if lora.targets is None or name in lora.targets)
