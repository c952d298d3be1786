"""The tiny recipe made tiny enough for a test: a minute becomes seconds."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Everything else is as shipped: the same stages, the same trainer, the same judge.
SHORT = [
    # A smaller world, so that a short warm-up leaves some answers right and some groups with prefixes to tell apart.
    "data.hops.entities=12",
    "data.heldout=32",
    "warmup.steps=120",
    "warmup.warmup_steps=10",
    "warmup.batch_size=32",
    "warmup.save_every=20",
    "trainer.steps=4",
    "trainer.prompts_per_step=4",
    "trainer.group_size=4",
    "trainer.eval_every=2",
    "trainer.save_every=1",
    "benchmarks.0.limit=16",
]
SHORT_SGPO = [*SHORT, "judge.measure=32"]


def environment() -> dict[str, str]:
    """The shell's environment, with this checkout's package in front."""
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p), "COLUMNS": "80"}


def sgpo(*arguments: str, cwd: Path, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    """Runs `sgpo ...` as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sgpo_cli", *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def sgpo_here(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, stages too: seconds faster a stage, for what does not depend on processes."""
    from sgpo_cli.cli.main import main
    from sgpo_cli.pipeline.evaluation import run_evaluation
    from sgpo_cli.pipeline.launch import in_process
    from sgpo_cli.pipeline.run import run_plan

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        for runs_stages in (run_plan, run_evaluation):
            assert runs_stages.__kwdefaults__ is not None
            patch.setitem(runs_stages.__kwdefaults__, "launcher", in_process)
        patch.setenv("COLUMNS", "80")
        patch.chdir(cwd)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(arguments))
    told = []
    for stream in (out, err):
        stream.seek(0)
        told.append(stream.read())
    return subprocess.CompletedProcess(list(arguments), code, *told)


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Starts `sgpo ...` and returns at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "sgpo_cli", *arguments],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# What two runs of the same recipe may differ in: how long things took.
_TIMES = {"seconds", "waited", "time", "step_time"}


def untimed(value: Any) -> Any:
    """`value` without its timings, at every depth."""
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k not in _TIMES and "step_time" not in k}
    return [untimed(item) for item in value] if isinstance(value, list) else value
