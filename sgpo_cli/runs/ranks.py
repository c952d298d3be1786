"""Which process is which rank of a stage, in one small file each: so that a rank that dies in silence has a name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sgpo_cli.runs.files import make_dir, read_json, remove_tree, write_json

_FOLDER = "ranks"


@contextmanager
def announced(stage: Path) -> Iterator[None]:
    """Tells this process's rank while the body runs, and that it ended, however it did; one process tells nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    rank = int(os.environ.get("RANK", "0"))
    make_dir(stage / _FOLDER)
    file = stage / _FOLDER / f"{rank}.json"
    told = {"rank": rank, "pid": os.getpid(), "host": socket.gethostname(), "ended": False}
    write_json(file, told)
    try:
        yield
    finally:
        write_json(file, {**told, "ended": True})


def forget(stage: Path) -> None:
    """Removes what an earlier attempt told."""
    remove_tree(stage / _FOLDER)


def dead_ranks(stage: Path) -> list[tuple[int, int]]:
    """(rank, pid) of this machine's ranks that are gone and never said that they ended."""
    gone = []
    for file in sorted((stage / _FOLDER).glob("*.json")):
        told = read_json(file)
        here = told["host"] == socket.gethostname() and not told["ended"]
        if here and not _alive(told["pid"]):
            gone.append((told["rank"], told["pid"]))
    return gone


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
