"""Whether what a plan writes finds room on the disk that runs lie on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.cost.disk import used_gib
from sgpo_cli.pipeline.cost.estimate import estimate
from sgpo_cli.pipeline.plan import Plan
from sgpo_cli.recipe.schema import Recipe

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """GiB that a run still writes, and that are free where it lies."""

    needs: float
    free: float
    place: Path

    @property
    def enough(self) -> bool:
        return self.needs <= self.free

    @property
    def words(self) -> str:
        return (
            f"{self.needs:,.1f} GiB of policies and checkpoints, and {self.free:,.1f} are free here, under {self.place}"
        )


def disk_room(plan: Plan) -> DiskRoom:
    """What a run still writes where it lies, and what is free there; a stage's own files of an earlier try count as
    written."""
    needs = 0.0
    for stage in plan.stages:
        if stage.status() == "skip":
            continue
        whole = float(estimate(plan.recipe, stage.kind).get("disk_gib") or 0.0)
        needs += max(0.0, whole - (used_gib(stage.home) if stage.status() == "resume" else 0.0))
    place = existing(plan.run.path.absolute())
    return DiskRoom(needs, shutil.disk_usage(place).free / _GIB, place)


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def disk_warning(plan: Plan) -> Mistake | None:
    """A warning where this machine's disk has less than the run will write."""
    room = disk_room(plan)
    return None if room.enough else Mistake(f"the run writes about {room.words}", fix=disk_fix(plan.recipe, room))


def disk_fix(recipe: Recipe, room: DiskRoom) -> str:
    """What to do about a disk that is too small, with the fewest checkpoints where keeping those would do."""
    fix = "free some, or run it in a directory on a larger disk: runs/ lies in the current one"
    fewest = replace(recipe, trainer=replace(recipe.trainer, keep=1))
    now, then = (float(estimate(one, "train").get("disk_gib") or 0.0) for one in (recipe, fewest))
    return f"{fix}; or trainer.keep=1" if then < now and room.needs - now + then <= room.free else fix
