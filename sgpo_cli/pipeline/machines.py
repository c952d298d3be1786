"""Several machines: which of them this is.

`sgpo train` runs on every machine, in one shared directory. The first (rank 0) runs the plan. The others wait for its
train stage and start their share of its processes; everything else is the first machine's. How they learn of each
other: meeting.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import Launch

_RANKS = ("NODE_RANK", "SLURM_NODEID", "GROUP_RANK", "MACHINE_RANK")
_PORTS = range(1, 65536)
_SET = "set NODE_RANK, MASTER_ADDR and MASTER_PORT on each; sgpo plan RECIPE --slurm writes such a script"


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
    named = next((name for name in _RANKS if os.environ.get(name)), None)
    missing = [*([] if named else ["NODE_RANK"]), *(n for n in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(n))]
    if named is None or missing:
        raise UserError(
            f"launch.nodes: {launch.nodes}, and this machine does not know which of them it is, or where they meet: "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            where="launch.nodes",
            fix=_SET,
        )
    rank = _number(named)
    if rank is None or rank >= launch.nodes:
        what = f"{named}={os.environ[named]}: no machine of {launch.nodes}"
        raise UserError(what, where="launch.nodes", fix=f"they count from 0: set it to 0 ... {launch.nodes - 1}")
    port = _number("MASTER_PORT")
    if port is None or port not in _PORTS:
        what = f"MASTER_PORT={os.environ['MASTER_PORT']}: no port"
        fix = "set it to a free one of the first machine, the same on all, of 1 ... 65535: MASTER_PORT=29500"
        raise UserError(what, where="launch.nodes", fix=fix)
    return Place(rank, os.environ["MASTER_ADDR"], port)


def _number(name: str) -> int | None:
    """An environment variable that holds a whole number from 0 on; None for anything else."""
    text = os.environ[name]
    return int(text) if text.isascii() and text.isdigit() else None
