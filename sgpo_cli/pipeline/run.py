"""Runs a plan: one stage after another, skipping what is complete, resuming what was interrupted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sgpo_cli.errors import Interrupted, UserError
from sgpo_cli.pipeline.conflict import conflict_with_run
from sgpo_cli.pipeline.environment import environment
from sgpo_cli.pipeline.launch import Launcher, in_child
from sgpo_cli.pipeline.machines import place_of, wait_for_turn
from sgpo_cli.pipeline.plan import Plan, PlannedStage, as_json
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import Event
from sgpo_cli.runs.files import JsonLines, make_dir, remove_tree, write_json, write_text
from sgpo_cli.runs.locks import Lock

OnEvent = Callable[[Event], None]
_SHARED_WAIT_S = 3600.0


def run_plan(
    plan: Plan,
    *,
    on_event: OnEvent = lambda event: None,
    launcher: Launcher = in_child,
    until: str | None = None,
    restart: bool = False,
    command: str = "",
) -> None:
    """Runs the stages of `plan` up to `until`; raises `SgpoError` with the line that goes on.

    `command` is what the user typed, for that line. Raises `UserError` when another process holds the run, or when an
    earlier run of this name was made by another recipe and `restart` is false.
    """
    if until is not None and plan.stage(until) is None:
        names = ", ".join(stage.name for stage in plan.stages)
        raise UserError(f"--until {until}: no such stage in this recipe", fix=f"its stages: {names}")
    if not place_of(plan.recipe.launch).first:
        _follow(plan, launcher, on_event, command, until)
        return
    with Lock(plan.run.lock, what=f"run {plan.run.name}") as lock:
        if restart:
            _clear(plan)
        _refuse_other_recipe(plan)
        _describe(plan)
        with _RunEvents(plan, on_event) as events:
            for stage in plan.stages:
                _one(plan, stage, events, launcher, lock, command)
                if stage.name == until:
                    return
        write_json(plan.run.done, {"stages": {s.name: s.fingerprint for s in plan.stages}})


def _follow(plan: Plan, launcher: Launcher, on_event: OnEvent, command: str, until: str | None) -> None:
    """This machine's share of the train stage, which the first machine prepares, and nothing else."""
    stage = plan.stage("train")
    names = [one.name for one in plan.stages]
    if stage is None or (until is not None and names.index(until) < names.index("train")):
        return
    line = f"to go on: {command}"
    ready, over = (lambda: stage.dir.fingerprint() == stage.fingerprint), (lambda: stage.status() == "skip")
    if not wait_for_turn(ready, over, line=line):
        return
    try:
        launcher(stage.dir, launch=plan.recipe.launch, alone=False, keep=(), on_event=on_event)
    except Interrupted as stop:
        raise Interrupted(stop.what, code=stop.exit_code, fix=line) from stop


class _RunEvents:
    """Merges the stages' events into the run's own file, and shows them."""

    def __init__(self, plan: Plan, on_event: OnEvent) -> None:
        self._lines = JsonLines(plan.run.events)
        self._on_event = on_event

    def __call__(self, event: Event) -> None:
        self._lines.append(event.to_json())
        self._on_event(event)

    def __enter__(self) -> _RunEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()


def _one(plan: Plan, stage: PlannedStage, events: _RunEvents, launcher: Launcher, lock: Lock, command: str) -> None:
    with ExitStack() as held:
        keep = lock.descriptors
        if stage.shared:
            what = f"the shared {stage.name} {stage.fingerprint}"
            shared = Lock(stage.home.parent / f".{stage.home.name}.lock", what=what)
            shared.acquire(wait_s=_SHARED_WAIT_S)
            held.callback(shared.release)
            keep = (*keep, *shared.descriptors)
            _link(plan.run.stage(stage.name).path, stage.home)
        if stage.status() == "skip":
            _say(events, stage, "finished", skipped=True, seconds=0.0)
            return
        _prepare(plan, stage)
        try:
            alone = stage.kind != "train"
            launcher(stage.dir, launch=plan.recipe.launch, alone=alone, keep=keep, on_event=events)
        except Interrupted as stop:
            raise Interrupted(stop.what, code=stop.exit_code, fix=f"to go on: {command}") from stop
    if stops.stop_asked():
        raise Interrupted(f"stopped after stage {stage.name}", code=stops.exit_code(), fix=f"to go on: {command}")


def _say(events: _RunEvents, stage: PlannedStage, kind: Any, **data: Any) -> None:
    events(Event(time.time(), stage.name, kind, None, None, data))


def _prepare(plan: Plan, stage: PlannedStage) -> None:
    """Writes stage.json, with what an earlier attempt left kept when it has the same fingerprint."""
    if stage.dir.fingerprint() != stage.fingerprint:
        remove_tree(stage.home)
    make_dir(stage.home)
    write_json(
        stage.dir.config,
        {
            "name": stage.name,
            "kind": stage.kind,
            "fingerprint": stage.fingerprint,
            "config": stage.config,
            "inputs": {role: str(Path(p).absolute()) if Path(p).exists() else p for role, p in stage.inputs.items()},
            "recipe": plan.loaded.resolved,
        },
    )


def _link(link: Path, home: Path) -> None:
    """Makes `link` a relative symbolic link to the shared stage, replacing what was there."""
    make_dir(link.parent)
    make_dir(home)
    target = os.path.relpath(home, link.parent)
    if link.is_symlink() and str(link.readlink()) == target:
        return
    remove_tree(link)
    link.symlink_to(target, target_is_directory=True)


def _describe(plan: Plan) -> None:
    """Leaves recipe.yaml (resolved: it runs again as it is), plan.json and env.json."""
    write_text(plan.run.recipe, plan.loaded.to_yaml())
    write_json(plan.run.plan, as_json(plan))
    write_json(plan.run.env, environment())


def _clear(plan: Plan) -> None:
    """Forgets what the run has, except its lock; shared warm-ups stay, for others use them."""
    if plan.run.path.exists():
        for path in plan.run.path.iterdir():
            if path != plan.run.lock:
                remove_tree(path)


def _refuse_other_recipe(plan: Plan) -> None:
    """Exit 2 with the difference when a stage here was made from other settings."""
    conflict = conflict_with_run(plan)
    if conflict is not None:
        raise UserError(conflict.what, where=conflict.where, fix=conflict.fix)
