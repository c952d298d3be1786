"""The most memory that this process has held."""

from __future__ import annotations

import resource
import sys

import torch


def peak_gib() -> float:
    """GiB reserved on this process's accelerator, or resident in memory where there is none, at its largest."""
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        module = getattr(torch, kind.type if kind is not None else "cuda")
        return float(module.max_memory_reserved()) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
