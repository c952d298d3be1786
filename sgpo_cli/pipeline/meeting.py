"""Machines of one run tell each other, in its shared directory, that they are there and what they were asked to run.

Each writes `runs/NAME/machines/RANK.json` again and again and reads the others'. Without this, machines that were asked
for different things wait for each other for ever, in silence. Clocks are never compared: a machine counts as there
when its file changes while one looks, so that what an earlier attempt left says nothing.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sgpo_cli.errors import SgpoError, UserError
from sgpo_cli.pipeline.conflict import differences
from sgpo_cli.pipeline.machines import Place
from sgpo_cli.pipeline.plan import Plan
from sgpo_cli.runs.files import read_json, to_json, write_text

Say = Callable[[str], None]
LOOK_EVERY_S = 2.0
SAY_EVERY_S = 60.0
_SHARED = ("engine", "processes", "nodes", "strategy")
"""Keys of `launch` in which machines must agree; threads, environment and configuration files may be each one's own."""
_NAMED = 8
"""Differences that a message lists."""


class Meeting:
    """This machine among those of a run. Call `look` often: it costs nothing until `LOOK_EVERY_S` have passed."""

    def __init__(self, plan: Plan, place: Place, say: Say) -> None:
        self.place = place
        self.nodes = plan.recipe.launch.nodes
        self.run = plan.run.path
        self._folder = plan.run.machines
        self._say = say
        self._mine = json.loads(to_json({**_asked(plan), "machine": place.rank, **_whoami()}))
        self._beats = 0
        self._looked = self._said = float("-inf")
        self._began: float | None = None
        self._told = ""
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._there: dict[int, dict[str, Any]] = {}

    def look(self) -> None:
        """Tells of this machine, and reads what the others tell.

        Raises:
            UserError: another was asked for something else; the other raises the same.
        """
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        self._tell(ended=False)
        for rank in range(self.nodes):
            if rank != self.place.rank:
                self._read(rank)

    def _tell(self, *, ended: bool) -> None:
        self._beats += 1
        write_text(self._file(self.place.rank), to_json({**self._mine, "beats": self._beats, "ended": ended}) + "\n")

    def _file(self, rank: int) -> Path:
        return self._folder / f"{rank}.json"

    def _read(self, rank: int) -> None:
        file = self._file(rank)
        if not file.exists():
            self._seen[rank] = ()
            return
        try:
            told = read_json(file)
            mark = (told["session"], told["beats"])
        except (UserError, OSError, LookupError, TypeError):
            return  # what cannot be read now is read the next time
        before = self._seen.get(rank)
        self._seen[rank] = mark
        if before is None or before == mark:
            return
        if rank not in self._there and (lines := _different(self._mine, told)):
            raise self._other_recipe(rank, told, lines)
        # A machine that agreed once is not stopped by a stray command of the same rank.
        self._there[rank] = told

    def _other_recipe(self, rank: int, told: dict[str, Any], lines: list[str]) -> UserError:
        listed = [f"    {line}" for line in lines[:_NAMED]]
        if len(lines) > _NAMED:
            listed.append(f"    and {len(lines) - _NAMED} more")
        what = f"machine {rank} ({told['host']}) was asked for another run than this one, machine {self.place.rank}"
        fix = "both stop here: type the same command on every machine"
        return UserError("\n".join([f"{what}:", *listed]), where=str(self.run), fix=fix)

    @property
    def first_there(self) -> bool:
        """Whether the first machine was seen."""
        return 0 in self._there

    @property
    def first_ended(self) -> bool:
        """Whether the first machine was there, and has ended."""
        return bool(self._there.get(0, {}).get("ended"))

    def say_waiting(self, what: str) -> None:
        """Says what this machine waits for: at once, and every `SAY_EVERY_S` seconds from then on, with how long."""
        now = time.monotonic()
        if what == self._told and now - self._said < SAY_EVERY_S:
            return
        self._began = self._began or now
        self._told, self._said = what, now
        minutes = round((now - self._began) / 60)
        waited = f" ({minutes} min now)" if minutes else ""
        self._say(f"machine {self.place.rank} of {self.nodes} waits{waited} {what}")

    def say_who_is_missing(self) -> None:
        """For the first machine, while stage train waits for the others' processes."""
        missing = [str(rank) for rank in range(self.nodes) if rank != self.place.rank and rank not in self._there]
        if missing and self._beats > 2:  # one that is there has been seen by now
            self.say_waiting(f"for machine {' and '.join(missing)}, not seen yet in {self.run.absolute()}")

    def what_followers_wait_for(self) -> str:
        there = self._there.get(0)
        here = f"in {self.run.absolute()}, which all must share"
        seen = f"it is there: {there['host']}" if there else "not seen yet"
        return f"for the first one to come to stage train {here} ({seen})"

    def leave(self) -> None:
        """Tells that this machine has ended, however it did; no error of its own hides that."""
        with suppress(SgpoError, OSError):
            if self._beats:
                self._tell(ended=True)


def _whoami() -> dict[str, Any]:
    return {"host": socket.gethostname(), "session": f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}"}


def _asked(plan: Plan) -> dict[str, Any]:
    """What the machines must agree in: stage train, what it is made from, and how its processes are started."""
    names = [stage.name for stage in plan.stages]
    stages = plan.stages[: names.index("train") + 1] if "train" in names else []
    return {
        "launch": {key: getattr(plan.recipe.launch, key) for key in _SHARED},
        "stages": {stage.name: {"fingerprint": stage.fingerprint, "config": stage.config} for stage in stages},
    }


def _different(mine: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """The keys that differ, as `path: there -> here`, each with its value on both machines; empty: they agree."""
    lines = [_line(*one) for one in differences(told.get("launch"), mine["launch"], "launch")]
    theirs = told.get("stages") or {}
    if (theirs.get("train") or {}).get("fingerprint") == (mine["stages"].get("train") or {}).get("fingerprint"):
        return lines
    for name, stage in mine["stages"].items():
        lines += [_line(*one) for one in differences((theirs.get(name) or {}).get("config"), stage["config"], "")]
    return list(dict.fromkeys(lines)) or ["stage train: the code that makes it; is sgpo of the same version?"]


def _line(path: str, there: Any, here: Any) -> str:
    return f"{path}: {there} there, {here} here"
