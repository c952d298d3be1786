"""Starts a stage and waits for it: in a child process (as users run it) or in this process (for tests).

A child's memory is freed when it ends, and an OOM kill is reported as such. The child inherits the run's lock, writes
its stdout and stderr to `log.txt`, and ends by itself when this process is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from sgpo_cli.errors import Interrupted, RunFailed, SgpoError, UserError
from sgpo_cli.pipeline.commands import stage_command
from sgpo_cli.pipeline.machines import ALONE, place_of
from sgpo_cli.recipe.schema import Launch
from sgpo_cli.runs import ranks, stops
from sgpo_cli.runs.events import Event, EventTail
from sgpo_cli.runs.files import read_json, writing
from sgpo_cli.runs.locks import PARENT_VARIABLE, parent_token
from sgpo_cli.runs.rundir import EXPECTED, StageDir

OnEvent = Callable[[Event], None]
Watch = Callable[[], None]
_LOOK_EVERY_S = 0.1
_TAIL_LINES = 15


def _nothing() -> None:
    pass


class Launcher(Protocol):
    def __call__(
        self,
        stage: StageDir,
        *,
        launch: Launch,
        alone: bool,
        keep: tuple[int, ...],
        on_event: OnEvent,
        watch: Watch = _nothing,
    ) -> None:
        """Runs the stage at `stage`; `alone` stages use one process; `keep` are descriptors of locks to inherit.

        `watch` is called again and again while a child runs; what it raises ends the child.
        """


def in_process(stage: StageDir, *, on_event: OnEvent, **_: Any) -> None:
    """Runs the stage here, for tests: the same function, no child; its events are handed over at the end."""
    tail = EventTail(stage.events, at_end=True)
    try:
        import_module("sgpo_cli.stages.run").run_stage(stage.path)
    finally:
        for event in tail.read():
            on_event(event)


def in_child(
    stage: StageDir,
    *,
    launch: Launch,
    alone: bool,
    keep: tuple[int, ...],
    on_event: OnEvent,
    watch: Watch = _nothing,
) -> None:
    """Runs the stage in a child process group; SIGINT and SIGTERM are passed on as a request to save and stop."""
    tail = EventTail(stage.events, at_end=True)
    place = ALONE if alone else place_of(launch)
    told = stage.log if place.first else stage.path / f"log-{place.rank}.txt"
    if place.first:
        ranks.forget(stage.path)
    with writing(told), told.open("ab") as log:
        child = subprocess.Popen(
            stage_command(stage, launch, alone=alone),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(launch, alone),
            pass_fds=keep,
            start_new_session=True,
        )
    told_to_stop = False
    try:
        while child.poll() is None:
            for event in tail.read():
                on_event(event)
            watch()
            if not alone and (gone := ranks.dead_ranks(stage.path)):
                raise _rank_died(stage, gone)
            if stops.stop_asked() and not told_to_stop:
                child.send_signal(signal.SIGTERM)
                told_to_stop = True
            time.sleep(_LOOK_EVERY_S)
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        raise
    for event in tail.read():
        on_event(event)
    if told_to_stop and not stage.done.exists():
        raise Interrupted(f"stopped in stage {stage.path.name}; its state is saved", code=stops.exit_code())
    if child.returncode != 0:
        raise _failure(stage, child.returncode)


def _environment(launch: Launch, alone: bool) -> dict[str, str]:
    count = 1 if alone or launch.engine == "local" else launch.processes * launch.nodes
    environment = {
        **os.environ,
        EXPECTED: str(count),
        PARENT_VARIABLE: parent_token(),
        "TOKENIZERS_PARALLELISM": "false",
    }
    environment.setdefault("PYTHONUNBUFFERED", "1")
    if launch.threads is not None or not _has_accelerator():
        # Two threads beside another process collapse to seconds a step on small models; one never does.
        environment.setdefault("OMP_NUM_THREADS", str(launch.threads or 1))
    # glibc returns freed tensors to the system at once and faults them in again; keeping them saves 9-25% CPU.
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", str(1 << 30))
    environment.setdefault("MALLOC_TRIM_THRESHOLD_", str(1 << 30))
    return {**environment, **launch.env}


def _has_accelerator() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()


def _rank_died(stage: StageDir, gone: list[tuple[int, int]]) -> SgpoError:
    """The others would wait for it until a collective gives up: the caller ends them."""
    names = " and ".join(f"rank {rank} (process {pid})" for rank, pid in gone)
    return RunFailed(
        f"{names} of stage {stage.path.name} was killed: most often the machine ran out of memory; "
        "the other ranks were ended",
        fix=f"see {stage.log}; the same command goes on from the last checkpoint",
    )


def _failure(stage: StageDir, code: int) -> SgpoError:
    """What the child said of its failure, or what its exit tells."""
    if stage.failure.exists():
        told = read_json(stage.failure)
        kind = {"UserError": UserError, "RecipeError": UserError}.get(told["type"], RunFailed)
        if told["exit_code"] >= 128:
            return Interrupted(told["what"], code=told["exit_code"], fix=told["fix"])
        return kind(told["what"], where=told["where"], fix=told["fix"])
    if code in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        return RunFailed(
            f"stage {stage.path.name} was killed (SIGKILL): most often the machine ran out of memory",
            fix=f"see {stage.log}; the same command goes on from the last checkpoint",
        )
    return RunFailed(
        f"stage {stage.path.name} ended with code {code}:\n{log_tail(stage)}", fix=f"all of it: {stage.log}"
    )


def log_tail(stage: StageDir) -> str:
    """The last lines of a stage's log."""
    if not stage.log.exists():
        return "(no log)"
    text = stage.log.read_text(encoding="utf-8", errors="replace")
    return "\n".join("  | " + line for line in text.splitlines()[-_TAIL_LINES:])
