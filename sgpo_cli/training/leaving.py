"""How a rank leaves: its process group is closed before the interpreter is, or its threads abort the process."""

from __future__ import annotations

import atexit
from functools import cache

import torch.distributed as dist


@cache
def leave_cleanly() -> None:
    """Closes the process group when this process ends.

    Without that a rank that is done sometimes aborts (SIGABRT), on a busy machine most often, and the launcher takes a
    finished run for a failed one.
    """
    if dist.is_available():
        atexit.register(_close)


def _close() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
