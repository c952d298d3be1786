"""Several machines: which of them this is, and what the others than the first do.

`sgpo train` runs on every machine, in one shared directory. The first (rank 0) runs the plan. The others wait for its
train stage and start their share of its processes; everything else is the first machine's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from sgpo_cli.errors import Interrupted, UserError
from sgpo_cli.recipe.schema import Launch
from sgpo_cli.runs import stops

_LOOK_EVERY_S = 1.0
_RANKS = ("NODE_RANK", "SLURM_NODEID", "GROUP_RANK", "MACHINE_RANK")


@dataclass(frozen=True, slots=True)
class Place:
    """This machine among those of a run."""

    rank: int
    address: str
    port: int
    """Of the first machine, where all processes meet."""

    @property
    def first(self) -> bool:
        return self.rank == 0


ALONE = Place(0, "127.0.0.1", 0)


def place_of(launch: Launch) -> Place:
    """From the environment, which the Slurm script of `sgpo plan --slurm` sets.

    Raises:
        UserError: a recipe for several machines, and the environment does not say which this is and where they meet.
    """
    if launch.nodes == 1:
        return ALONE
    rank = next((os.environ[name] for name in _RANKS if os.environ.get(name)), None)
    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if rank is None or address is None or port is None or not (rank.isdigit() and port.isdigit()):
        raise UserError(
            f"launch.nodes: {launch.nodes}, and this machine does not know which of them it is",
            where="launch.nodes",
            fix="set NODE_RANK, MASTER_ADDR and MASTER_PORT on each; sgpo plan RECIPE --slurm writes such a script",
        )
    if int(rank) >= launch.nodes:
        raise UserError(f"machine {rank} of {launch.nodes}: they count from 0", where="launch.nodes")
    return Place(int(rank), address, int(port))


def wait_for_turn(ready: Callable[[], bool], over: Callable[[], bool], *, line: str) -> bool:
    """Until the first machine has prepared the train stage (True), or has finished it already (False)."""
    while not ready():
        if over():
            return False
        if stops.stop_asked():
            raise Interrupted("stopped while waiting for the first machine", code=stops.exit_code(), fix=line)
        time.sleep(_LOOK_EVERY_S)
    return not over()
