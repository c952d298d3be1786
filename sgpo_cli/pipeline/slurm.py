"""The Slurm script of a recipe: one task a machine, each running the same command, which resumes by itself."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from sgpo_cli.recipe.schema import Recipe

_SAVE_S = 600
"""Seconds before the end at which Slurm tells the run to save and stop."""
_LEAST_H, _MOST_H = 1, 48


def slurm_script(recipe: Recipe, stages: Sequence[Mapping[str, Any]], command: Sequence[str]) -> str:
    """An sbatch script for `command` (`sgpo train ...`); hours are the upper end of the plan's estimate.

    What only the cluster's users know stands in comments. Told to stop, a run saves and ends with code 143, and the
    script puts itself in the queue again: the same command goes on.
    """
    launch = recipe.launch
    hours = _hours(stages)
    port = 29500
    lines = [
        "#!/usr/bin/env bash",
        f"#SBATCH --job-name={recipe.name}",
        f"#SBATCH --nodes={launch.nodes}",
        "#SBATCH --ntasks-per-node=1",
        *([f"# planned for {launch.device}"] if launch.device else []),
        f"#SBATCH --gpus-per-node={launch.processes}",
        f"# the plan's upper estimate, at most {_MOST_H} h: a job that runs out of time saves and queues itself again",
        f"#SBATCH --time={hours}:00:00",
        f"#SBATCH --signal=B:TERM@{_SAVE_S}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --output={recipe.name}-%j.log",
        "# What only you know:",
        "##SBATCH --partition=...",
        "##SBATCH --account=...",
        "##SBATCH --cpus-per-task=...",
        "set -uo pipefail",
        'cd "$SLURM_SUBMIT_DIR"   # a directory that all machines share: runs/ lies here',
        "# source .venv/bin/activate, module load ...",
        "",
        'MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        f"export MASTER_ADDR MASTER_PORT=$(({port} + SLURM_JOB_ID % 1000))",
        "",
        f"srun --kill-on-bad-exit=1 bash -c {shlex.quote('NODE_RANK=$SLURM_NODEID exec ' + shlex.join(command))} &",
        "running=$!",
        "trap 'kill -TERM \"$running\"' TERM",
        'wait "$running"; code=$?',
        "# The first wait ends with the signal, the second with the run itself, saved.",
        'if kill -0 "$running" 2>/dev/null; then wait "$running"; code=$?; fi',
        'if [ "$code" -eq 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi',
        'exit "$code"',
    ]
    return "\n".join([*lines, ""])


def _hours(stages: Sequence[Mapping[str, Any]]) -> int:
    known = [stage["estimate"]["seconds"][1] for stage in stages if (stage.get("estimate") or {}).get("seconds")]
    return min(_MOST_H, max(_LEAST_H, math.ceil(sum(known) / 3600)))
