"""Checkpoints of the policy on rollout boundaries: complete or not used, the newest kept.

transformers writes the folder; `complete.json` is written last, atomically. A folder without it was cut off by a
kill: it is never resumed from, and removed when the run goes on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from sgpo_cli.runs.files import read_json, remove_tree, write_json

MARKER = "complete.json"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands at a checkpoint."""

    step: int
    """Rollout steps done."""
    best: float | None
    """Best held-out accuracy so far."""
    best_step: int | None
    """The step it was measured after."""
    heldout_start: dict[str, float | int | None] | None
    """The held-out measurement before step 1."""
    heldout: dict[str, float | int | None] | None
    """The last held-out measurement."""


def mark_complete(folder: Path, position: Position) -> None:
    """Makes a written checkpoint count."""
    write_json(folder / MARKER, asdict(position))


def newest(checkpoints: Path) -> tuple[Path, Position] | None:
    """The complete checkpoint of the latest step, or None."""
    found = _complete(checkpoints)
    if not found:
        return None
    folder = found[-1]
    return folder, Position(**read_json(folder / MARKER))


def prune(checkpoints: Path, keep: int) -> None:
    """Removes complete checkpoints beyond the newest `keep`."""
    for folder in _complete(checkpoints)[:-keep]:
        # The marker goes first: a kill in between leaves an incomplete folder, not a broken complete one.
        (folder / MARKER).unlink()
        remove_tree(folder)


def remove_incomplete(checkpoints: Path) -> None:
    """Removes what a kill left half written."""
    for folder in _folders(checkpoints):
        if not (folder / MARKER).exists():
            remove_tree(folder)


def _folders(checkpoints: Path) -> list[Path]:
    if not checkpoints.is_dir():
        return []
    named = [path for path in checkpoints.iterdir() if path.name.startswith("checkpoint-")]
    return sorted(named, key=lambda path: int(path.name.rpartition("-")[2]))


def _complete(checkpoints: Path) -> list[Path]:
    return [folder for folder in _folders(checkpoints) if (folder / MARKER).exists()]
