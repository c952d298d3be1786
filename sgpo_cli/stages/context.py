"""What a stage is handed: its directory, its recipe, its inputs, and where to tell how it goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.load import from_dict
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.events import EventWriter
from sgpo_cli.runs.files import read_json
from sgpo_cli.runs.rundir import StageDir


@dataclass(frozen=True)
class StageContext:
    """One stage, as `stage.json` describes it."""

    dir: StageDir
    name: str
    kind: str
    fingerprint: str
    recipe: Recipe
    inputs: dict[str, str]
    options: dict[str, Any]
    events: EventWriter

    def policy(self) -> Path:
        """The folder of the policy that this stage starts from (or a hub id, as a path)."""
        return Path(self.inputs["policy"])


def rank() -> int:
    """This process's rank among those of a torchrun launch; 0 when alone."""
    return int(os.environ.get("RANK", "0"))


def ranks() -> int:
    """How many processes the launch has; 1 when alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def open_stage(path: Path) -> StageContext:
    """Reads `stage.json` under `path`; ranks other than 0 get an event writer that writes nothing."""
    directory = StageDir(path)
    if not directory.config.exists():
        raise UserError(f"{path} is not a stage directory: it has no stage.json")
    told = read_json(directory.config)
    return StageContext(
        dir=directory,
        name=told["name"],
        kind=told["kind"],
        fingerprint=told["fingerprint"],
        recipe=from_dict(Recipe, told["recipe"]),
        inputs=told["inputs"],
        options=told.get("options", {}),
        events=EventWriter(told["name"], directory.events if rank() == 0 else None),
    )
