"""torch, asked in a child process: its version, the accelerators, and whether a small calculation comes out right."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.recipe.schema import Recipe

_TIMEOUT_S = 90.0
_BROKEN = "reinstall torch for this platform: https://pytorch.org/get-started/locally"


def start() -> subprocess.Popen[str]:
    """The child; it works while other things are looked at."""
    command = [sys.executable, "-m", "sgpo_cli.stages.probe"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )


def findings(child: subprocess.Popen[str], recipe: Recipe | None, *, timeout_s: float = _TIMEOUT_S) -> list[Finding]:
    """What the child said, or how it failed to."""
    try:
        out, err = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        fix = "a driver that hangs does this: try nvidia-smi, then restart the machine"
        return [Finding("torch", "error", f"no answer in {timeout_s:.0f} s", fix)]
    if child.returncode != 0:
        last = (err.strip().splitlines() or [f"it ended with code {child.returncode}"])[-1]
        return [Finding("torch", "error", f"it does not work: {last}", _BROKEN)]
    return judge(json.loads(out.strip().splitlines()[-1]), recipe)


def judge(told: dict[str, Any], recipe: Recipe | None) -> list[Finding]:
    """Findings from the child's document (stages/probe.py)."""
    built = f"{told['version']}, CUDA {told['cuda']}" if told["cuda"] else f"{told['version']}"
    if told["wrong"]:
        return [Finding("torch", "error", f"{built}: {told['wrong']}", _BROKEN)]
    return [Finding("torch", "ok", f"{built}: a small calculation comes out right"), _devices(told, recipe)]


def _devices(told: dict[str, Any], recipe: Recipe | None) -> Finding:
    names = [f"{device['name']} ({device['memory_gib']:g} GiB)" for device in told["devices"]]
    what = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or (
        "none, training runs on the CPU" if told["kind"] == "cpu" else told["kind"]
    )
    wanted = 1 if recipe is None else recipe.launch.processes
    if wanted > 1 and len(names) < wanted:
        fix = "run it on a machine that has them, or lower launch.processes; here, --smoke shows that every stage runs"
        return Finding("accelerators", "error", f"{what}; launch.processes asks for {wanted}", fix)
    if told["kind"] == "cpu" and recipe is not None and recipe.model.path is not None:
        return Finding("accelerators", "warning", what, "fine for the tiny recipes; here, try this one with --smoke")
    return Finding("accelerators", "ok", what)
