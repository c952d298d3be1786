"""Checkpoints of the policy on rollout boundaries: complete or not used, the newest kept.

transformers writes the folder; `complete.json` is written last, atomically. A folder without it was cut off by a
kill: it is never resumed from, and removed when the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from sgpo_cli.errors import RunFailed
from sgpo_cli.runs.files import read_json, remove_tree, write_json, writing

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
    guidance: dict[str, Any] | None = None
    """State of the guidance schedule after `step`; None without guidance."""
    trust: dict[str, Any] | None = None
    """Standing of the judge after `step`; None where every judge has full weight."""


def mark_complete(folder: Path, position: Position) -> None:
    """Makes a written checkpoint count."""
    write_json(folder / MARKER, asdict(position))


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turns a refusal met while weights are written into an error a person can read.

    safetensors and torch's archive writer do not raise OSError when a disk is full, but errors of their own.
    """
    try:
        with writing(folder):
            yield
    except SafetensorError as problem:
        raise _cannot_save(folder, problem) from problem
    except RuntimeError as problem:
        if "inline_container" in str(problem) or "PytorchStreamWriter" in str(problem):
            raise _cannot_save(folder, problem) from problem
        raise


def _cannot_save(folder: Path, problem: Exception) -> RunFailed:
    return RunFailed(
        f"cannot write weights to {folder}: {problem}",
        fix="is the disk full? free some space, then run the same command again: it goes on from the last checkpoint",
    )


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
