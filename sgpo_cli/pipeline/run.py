"""Runs a plan: one stage after another, skipping what is complete, resuming what was interrupted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sgpo_cli.errors import Interrupted, RunFailed, UserError
from sgpo_cli.pipeline.conflict import conflict_with_run
from sgpo_cli.pipeline.environment import environment
from sgpo_cli.pipeline.launch import Launcher, Watch, in_child
from sgpo_cli.pipeline.machines import place_of
from sgpo_cli.pipeline.meeting import Meeting, Say
from sgpo_cli.pipeline.plan import Plan, PlannedStage, as_json
from sgpo_cli.runs import stops
from sgpo_cli.runs.events import Event
from sgpo_cli.runs.files import JsonLines, make_dir, remove_tree, write_json, write_text
from sgpo_cli.runs.locks import Lock

OnEvent = Callable[[Event], None]
_SHARED_WAIT_S = 3600.0
_LOOK_EVERY_S = 1.0


def run_plan(
    plan: Plan,
    *,
    on_event: OnEvent = lambda event: None,
    say: Say = lambda text: None,
    launcher: Launcher = in_child,
    until: str | None = None,
    restart: bool = False,
    command: str = "",
) -> None:
    """Runs the stages of `plan` up to `until`; raises `SgpoError` with the line that goes on.

    `command` is what the user typed, for that line; `say` is told what is waited for. Raises `UserError` when another
    process holds the run, when an earlier run of this name was made by another recipe and `restart` is false, or when
    the machines of a run were asked for different things.
    """
    if until is not None and plan.stage(until) is None:
        names = ", ".join(stage.name for stage in plan.stages)
        raise UserError(f"--until {until}: no such stage in this recipe", fix=f"its stages: {names}")
    place = place_of(plan.recipe.launch)
    if not place.first:
        _follow(plan, launcher, on_event, command, until, Meeting(plan, place, say), restart=restart)
        return
    with Lock(plan.run.lock, what=f"run {plan.run.name}") as lock:
        if restart:
            _clear(plan)
        _refuse_other_recipe(plan)
        _describe(plan)
        meeting = Meeting(plan, place, say) if plan.recipe.launch.nodes > 1 else None
        try:
            with _RunEvents(plan, on_event) as events:
                for stage in plan.stages:
                    _one(plan, stage, events, launcher, lock, command, meeting)
                    if stage.name == until:
                        return
        finally:
            if meeting is not None:
                meeting.leave()
        write_json(plan.run.done, {"stages": {s.name: s.fingerprint for s in plan.stages}})


def _follow(
    plan: Plan,
    launcher: Launcher,
    on_event: OnEvent,
    command: str,
    until: str | None,
    meeting: Meeting,
    *,
    restart: bool,
) -> None:
    """This machine's share of the train stage, which the first machine prepares, and nothing else."""
    stage = plan.stage("train")
    names = [one.name for one in plan.stages]
    if stage is None or (until is not None and names.index(until) < names.index("train")):
        return
    line = f"to go on: {command}"
    try:
        if not _wait_for_turn(stage, meeting, line, restart=restart):
            return
        launch = plan.recipe.launch
        launcher(stage.dir, launch=launch, alone=False, keep=(), on_event=on_event, watch=meeting.look)
    except Interrupted as stop:
        raise Interrupted(stop.what, code=stop.exit_code, fix=line) from stop
    finally:
        meeting.leave()


def _wait_for_turn(stage: PlannedStage, meeting: Meeting, line: str, *, restart: bool) -> bool:
    """Until the first machine has prepared the train stage (True), or has finished it already (False).

    With `restart`, what lies there is an earlier attempt's until the first machine, which forgets that before it
    tells of itself, has been seen.
    """
    while stage.dir.fingerprint() != stage.fingerprint or (restart and not meeting.first_there):
        meeting.look()
        if meeting.first_ended:
            what = "the first machine has ended, and did not come to stage train"
            raise RunFailed(what, where=str(meeting.run), fix=f"see what it said there; then, on every machine, {line}")
        meeting.say_waiting(meeting.what_followers_wait_for())
        if stops.stop_asked():
            raise Interrupted("stopped while waiting for the first machine", code=stops.exit_code())
        time.sleep(_LOOK_EVERY_S)
    return stage.status() != "skip"


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


def _one(
    plan: Plan,
    stage: PlannedStage,
    events: _RunEvents,
    launcher: Launcher,
    lock: Lock,
    command: str,
    meeting: Meeting | None,
) -> None:
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
            watch = _watch(meeting, others=not alone)
            launcher(stage.dir, launch=plan.recipe.launch, alone=alone, keep=keep, on_event=events, watch=watch)
        except Interrupted as stop:
            raise Interrupted(stop.what, code=stop.exit_code, fix=f"to go on: {command}") from stop
    if stops.stop_asked():
        raise Interrupted(f"stopped after stage {stage.name}", code=stops.exit_code(), fix=f"to go on: {command}")


def _watch(meeting: Meeting | None, *, others: bool) -> Watch:
    """What is looked at while a stage runs: the other machines, and, where the stage needs them, which is missing."""

    def watch() -> None:
        if meeting is not None:
            meeting.look()
            if others:
                meeting.say_who_is_missing()

    return watch


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
    """Forgets what the run has, except its lock; shared warm-ups stay, for others use them.

    So does what other machines, which may be here already, tell of themselves.
    """
    if plan.run.path.exists():
        for path in plan.run.path.iterdir():
            if path not in {plan.run.lock, plan.run.machines}:
                remove_tree(path)


def _refuse_other_recipe(plan: Plan) -> None:
    """Exit 2 with the difference when a stage here was made from other settings."""
    conflict = conflict_with_run(plan)
    if conflict is not None:
        raise UserError(conflict.what, where=conflict.where, fix=conflict.fix)
