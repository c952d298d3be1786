"""Accelerators that a recipe can be planned for: memory and rates from their makers' data sheets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator."""

    name: str
    memory_gib: float
    """What a process can have of it; data sheets say GB where they mean GiB, and a driver keeps a little."""
    flops: float
    """Dense bfloat16 operations a second at its peak."""
    bandwidth: float
    """Bytes a second between its memory and its cores."""


_SHEETS = (
    Device("h200-141gb", 140.0, 989e12, 4.8e12),
    Device("h100-80gb", 79.6, 989e12, 3.35e12),
    Device("h100-pcie-80gb", 79.6, 756e12, 2.0e12),
    Device("a100-80gb", 79.2, 312e12, 2.0e12),
    Device("a100-40gb", 39.4, 312e12, 1.56e12),
    Device("l40s-48gb", 44.5, 362e12, 0.864e12),
    Device("a6000-48gb", 47.5, 155e12, 0.768e12),
    Device("a10g-24gb", 22.0, 70e12, 0.6e12),
    Device("rtx5090-32gb", 31.4, 209e12, 1.79e12),
    Device("rtx4090-24gb", 23.5, 165e12, 1.01e12),
    Device("rtx3090-24gb", 23.5, 71e12, 0.936e12),
    Device("l4-24gb", 22.0, 121e12, 0.3e12),
)
DEVICES = {device.name: device for device in _SHEETS}
