"""The circuit breaker: after too many failed calls nothing is sent for a while, then one call tries.

    closed --share of the last calls failed--> open --cooldown over, one call lets itself be tried--> half-open
    half-open --it succeeded--> closed          half-open --it failed--> open

It counts calls (with all their tries), not requests: a server that fails three requests in ten still answers.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sgpo_cli.generation.endpoint.backoff import words as seconds_words
from sgpo_cli.generation.endpoint.types import BreakerSettings

Result = Literal[
    "answered",
    "failed",  # the server's fault
    "hopeless",  # refused for a reason that every call shares: a wrong key, no such model
    "refused",  # for a reason that may be this call's own (a prompt that is too long)
    "unknown",  # the call was given up before it was known
]
HOPELESS = 3
"""This many hopeless refusals, with no answer since the start, and it opens."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to make one call. `trial`: the call that tries whether the server is back; it gets one request."""

    period: int
    trial: bool


class Breaker:
    """Used on the client's loop only; `refuses` may be read from any thread. `clock`: seconds, monotonic."""

    def __init__(self, settings: BreakerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._window: deque[bool] = deque(maxlen=settings.window)  # True: failed
        self._period = 0
        """Goes up with every opening and closing; results of calls from an earlier one do not count."""
        self._opened_at: float | None = None
        self._trial_under_way = False
        self._ever_answered = False
        self._hopeless = 0
        self._reason = ""

    @property
    def refuses(self) -> bool:
        """Whether a call that came now would not be sent."""
        opened_at = self._opened_at
        if opened_at is None:
            return False
        return self._trial_under_way or self._clock() < opened_at + self._settings.cooldown_s

    def admit(self) -> Ticket | None:
        """Leave to call, or None. Every ticket goes back to `record`."""
        if self.refuses:
            return None
        trial = self._opened_at is not None
        self._trial_under_way = trial
        return Ticket(self._period, trial)

    def is_current(self, ticket: Ticket) -> bool:
        """False when the breaker opened after the ticket was given: further tries would go to a server given up."""
        return ticket.period == self._period

    def record(self, ticket: Ticket, result: Result, what: str = "") -> None:
        """What became of the call; `what`: the failure in words."""
        if result == "answered":
            self._ever_answered = True
        if not self.is_current(ticket):
            return
        if ticket.trial:
            self._end_trial(result, what)
        else:
            self._note(result, what)

    def words(self) -> str:
        """Why it is open and when the next call is tried."""
        left = 0.0 if self._opened_at is None else self._opened_at + self._settings.cooldown_s - self._clock()
        when = f"the next try is in {seconds_words(left)}" if left > 0 else "one call is trying"
        return f"not asked, {when}: {self._reason}"

    def _end_trial(self, result: Result, what: str) -> None:
        self._trial_under_way = False
        if result == "unknown":
            return  # the next call tries
        self._period += 1
        if result in ("failed", "hopeless"):
            self._opened_at = self._clock()
            self._reason = f"the call that tried failed too, {what}"
            return
        self._opened_at = None
        self._window.clear()
        self._hopeless = 0

    def _note(self, result: Result, what: str) -> None:
        if result == "unknown":
            return
        self._hopeless = 0 if result == "answered" else self._hopeless + (result == "hopeless")
        if result == "refused" and self._ever_answered:
            return  # the server works; it is this request that it does not take
        self._window.append(result != "answered")
        failed, seen = sum(self._window), len(self._window)
        enough = failed and seen == self._settings.window and failed / seen >= self._settings.share
        if enough or (self._hopeless >= HOPELESS and not self._ever_answered):
            self._period += 1
            self._opened_at = self._clock()
            self._reason = f"{failed} of the last {seen} calls failed, the last one: {what}"
