"""Runs one stage: the same function in a child process (`python -m sgpo_cli.stages DIR`) and in process, for tests."""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sgpo_cli.errors import RunFailed, SgpoError, UserError
from sgpo_cli.runs.files import write_json
from sgpo_cli.runs.ranks import announced
from sgpo_cli.runs.rundir import EXPECTED
from sgpo_cli.stages.context import StageContext, open_stage, rank, ranks

# kind of stage -> the module that has its `run(context) -> outputs`
KINDS = {
    "warmup": "sgpo_cli.stages.warmup",
    "rollout": "sgpo_cli.stages.rollout",
    "judge_train": "sgpo_cli.stages.judge_train",
    "judge": "sgpo_cli.stages.judge",
    "train": "sgpo_cli.stages.train",
    "eval": "sgpo_cli.stages.evaluate",
    "responses": "sgpo_cli.stages.responses",
    "report": "sgpo_cli.stages.report",
}


_FREE_SOME = "free some disk, then run the same command: it goes on"
_FULL_DISK = ("No space left", "File too large", "Disk quota exceeded", "PytorchStreamWriter failed")


def run_stage(path: Path) -> None:
    """Runs the stage that `path/stage.json` describes and marks it done; raises what went wrong, as `SgpoError`."""
    context = open_stage(path)
    context.dir.failure.unlink(missing_ok=True)
    began = time.monotonic()
    context.events.emit("started")
    try:
        _check_processes()
        work: Callable[[StageContext], dict[str, Any]] = import_module(KINDS[context.kind]).run
        with announced(path):
            outputs = work(context)
    except (Exception, SystemExit) as problem:
        failure = _as_error(problem)
        if rank() == 0:
            _record(context, failure, problem)
        raise failure from problem
    if rank() == 0:
        seconds = round(time.monotonic() - began, 3)
        context.dir.mark_done(context.fingerprint, {**outputs, "seconds": seconds})
        context.events.emit("finished", seconds=seconds)
    context.events.close()


def _check_processes() -> None:
    """A launcher that starts fewer processes than it was asked for, in silence, would train on other batches."""
    wanted, there = os.environ.get(EXPECTED), ranks()
    if wanted is not None and int(wanted) != there:
        raise UserError(
            f"this stage is one of {there} processes, and the recipe asks for {wanted}",
            where="launch.processes",
            fix="make launch.config_file start as many, or write launch.engine: torchrun",
        )


def _as_error(problem: BaseException) -> SgpoError:
    if isinstance(problem, SgpoError):
        return problem
    if isinstance(problem, OSError) and problem.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return RunFailed(f"no space left to write: {problem}", fix=_FREE_SOME)
    # torch and safetensors report a full disk from inside their writers, without an errno.
    if any(words in str(problem) for words in _FULL_DISK):
        return RunFailed(f"a file could not be written, most often for want of space: {problem}", fix=_FREE_SOME)
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError" or "alloc_cpu" in str(problem):
        return RunFailed(
            f"out of memory: {str(problem).splitlines()[0] if str(problem) else 'no details'}",
            fix="a smaller trainer.micro_batch or trainer.max_completion_length needs less",
        )
    return RunFailed(f"{type(problem).__name__}: {problem}")


def _record(context: StageContext, failure: SgpoError, problem: BaseException) -> None:
    told = {
        "type": type(failure).__name__,
        "what": failure.what,
        "where": failure.where,
        "fix": failure.fix,
        "exit_code": failure.exit_code,
        "traceback": "".join(traceback.format_exception(problem)),
    }
    try:
        context.events.emit("failed", what=failure.what, exit_code=failure.exit_code)
        write_json(context.dir.failure, told)
    except SgpoError as second:
        # On a full disk the record cannot be written either: the log, opened before, still takes the words.
        print(f"the failure could not be recorded: {second}\n{told['traceback']}", flush=True)
