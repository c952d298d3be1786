"""Keeps a dead server from filling a file with abstentions.

An abstention whose reason is a failed call is a hole, not a finding. Abstentions are held back until a verdict follows
them; when a hundred failed calls stand in a row, the job stops, the held ones are not written, and the same command
asks for them again.
"""

from __future__ import annotations

from typing import get_args

from sgpo_cli.errors import RunFailed
from sgpo_cli.generation.endpoint.types import FailureKind
from sgpo_cli.judging.labelling.ask import Asked
from sgpo_cli.judging.verdict import Verdict

MOST_IN_A_ROW = 100
_KINDS = tuple(f"{kind}:" for kind in get_args(FailureKind))


def is_failure(verdict: Verdict) -> bool:
    """Whether the judge abstained because a call failed (its reason names the kind of failure)."""
    return verdict.abstained and any(kind in (verdict.reason or "") for kind in _KINDS)


class Guard:
    """`passed` takes what a judge said and gives what may be written now; `check` says when it has failed too often."""

    def __init__(self, most: int = MOST_IN_A_ROW) -> None:
        self._most = most
        self._held: Asked = []
        self._any = False

    def passed(self, asked: Asked) -> Asked:
        free: Asked = []
        for item, verdict in asked:
            if len(self._held) >= self._most:
                break  # what came after is not taken: the held rows before it are not written
            self._held.append((item, verdict))
            if not is_failure(verdict):
                free += self._held
                self._held = []
        self._any = self._any or bool(free)
        return free

    def check(self) -> None:
        """`RunFailed` when too many failed calls stand in a row."""
        if len(self._held) >= self._most:
            raise self._stop()

    def rest(self) -> Asked:
        """What is held at the end of the rows; `RunFailed` when every call of this job failed."""
        if self._held and not self._any:
            raise self._stop()
        held, self._held = self._held, []
        return held

    def _stop(self) -> RunFailed:
        return RunFailed(
            f"the judge failed on {len(self._held)} responses in a row; the last time: {self._held[-1][1].reason}",
            fix="look at its server; the verdicts so far are kept, and the same command goes on",
        )
