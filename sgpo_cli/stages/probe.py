"""`python -m sgpo_cli.stages.probe`: does torch work here? One JSON document on stdout, for `sgpo doctor`.

A child process, since importing torch takes seconds, and a broken driver may end or hang whoever asks it.
"""

from __future__ import annotations

import json
from typing import Any


def look() -> dict[str, Any]:
    """`version`, `cuda`, `devices [{name, memory_gib}]`, and `wrong`: what a small calculation got wrong, else null."""
    import torch

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "kind": device.type,
        "devices": _devices(),
        "wrong": _wrong(device),
    }


def _devices() -> list[dict[str, Any]]:
    import torch

    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [{"name": told.name, "memory_gib": round(told.total_memory / 2**30, 1)} for told in found]


def _wrong(device: Any) -> str | None:
    """A product and its gradient, in both types that train, against the exact numbers."""
    import torch

    for kind in (torch.float32, torch.bfloat16):
        left = torch.arange(12, dtype=kind, device=device).reshape(3, 4).requires_grad_()
        (left @ torch.ones(4, 2, dtype=kind, device=device)).sum().backward()
        if left.grad is None or not torch.equal(left.grad, torch.full_like(left, 2)):
            return f"the gradient of a product of {kind} is wrong on {device}"
    return None


if __name__ == "__main__":
    print(json.dumps(look()))
