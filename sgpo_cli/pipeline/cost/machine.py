"""What a recipe is planned for: a named accelerator, this machine's own, or its CPU."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

import psutil

from sgpo_cli.pipeline.architecture import on_accelerator
from sgpo_cli.recipe.devices import DEVICES, Device
from sgpo_cli.recipe.schema import Launch


@dataclass(frozen=True, slots=True)
class Machine:
    """`device` is None for a CPU."""

    device: Device | None
    name: str
    memory_gib: float
    """Of one accelerator, or of the whole machine for a CPU."""
    here: bool
    """Whether it is this machine."""

    @property
    def accelerator(self) -> bool:
        return self.device is not None


def machine_of(launch: Launch) -> Machine:
    """The recipe's `launch.device`, else what is here."""
    if launch.device is not None:
        device = DEVICES[launch.device]
        return Machine(device, device.name, device.memory_gib, here=False)
    found = _own_gpu() if on_accelerator() else None
    if found is not None:
        return found
    return Machine(None, "this machine's CPU", psutil.virtual_memory().total / 2**30, here=True)


@cache
def _own_gpu() -> Machine | None:
    """The first GPU that nvidia-smi names, with the rates of the nearest one in the table; None without that tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    asked = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    name, _, memory = told.stdout.partition("\n")[0].rpartition(",")
    if not memory.strip().isdigit():
        return None
    gib = int(memory) / 1024
    known = [device for device in DEVICES.values() if device.name.split("-")[0] in name.lower().replace(" ", "")]
    like = min(known or DEVICES.values(), key=lambda device: abs(device.memory_gib - gib))
    return Machine(like, name.strip(), gib, here=True)
