"""One call: its tries, the waits between them, and where each goes."""

from __future__ import annotations

import asyncio
import time

from sgpo_cli.generation.endpoint.addresses import Address, Addresses, checked
from sgpo_cli.generation.endpoint.answer import Answer, read_answer, read_pooling
from sgpo_cli.generation.endpoint.attempt import Fault, weigh
from sgpo_cli.generation.endpoint.backoff import delay, spread, words
from sgpo_cli.generation.endpoint.breaker import Breaker, Result, Ticket
from sgpo_cli.generation.endpoint.secret import Secret
from sgpo_cli.generation.endpoint.types import ServerSettings
from sgpo_cli.generation.endpoint.wire import Wire


class Shared:
    """What the calls of one client share; all of it belongs to its loop."""

    def __init__(self, settings: ServerSettings, secret: Secret) -> None:
        self.settings, self.secret, self.wire = settings, secret, Wire(secret)
        self.sent = 0
        self.open()

    def open(self) -> None:
        """Afresh for a loop that starts: places and connections of another process's loop are of no use."""
        self.wire.open()
        self.places = asyncio.Semaphore(self.settings.concurrency)
        self.addresses = Addresses([checked(url) for url in self.settings.urls])
        self.breaker = Breaker(self.settings.breaker)


class Call:
    """One call's tries. `sent`: requests that left; `result`: what the breaker is told."""

    def __init__(self, shared: Shared, ticket: Ticket, began: float) -> None:
        self._settings, self._shared, self._ticket = shared.settings, shared, ticket
        self._ends = began + shared.settings.deadline_s
        self._tried: set[Address] = set()
        self._waits = 0
        self.sent = 0
        self.result: Result = "unknown"

    async def run(self, body: bytes) -> Answer | Fault:
        """Tries until there is an answer or no point in another try."""
        tries, bad_replies = 0, 0
        while True:
            outcome = await self._try(body)
            if isinstance(outcome, Answer):
                self.result = "answered"
                return outcome
            tries += 1
            bad_replies += outcome.kind == "bad_reply"
            self.result = _result(outcome)
            wait_s = self._wait_before_next(outcome, tries, bad_replies)
            if wait_s is None:
                return outcome
            left_s = self._ends - time.monotonic()
            if wait_s >= left_s:
                return self._too_late(outcome, wait_s)
            await asyncio.sleep(wait_s)

    def _wait_before_next(self, fault: Fault, tries: int, bad_replies: int) -> float | None:
        """Seconds until the next try, None when there is to be none."""
        last = tries > self._settings.retries or bad_replies > 1 or fault.kind == "deadline"
        if last or self._ticket.trial or not self._shared.breaker.is_current(self._ticket):
            return None
        if fault.elsewhere and self._shared.addresses.another(self._tried, time.monotonic()):
            return 0.0
        if not fault.again:
            return None
        self._tried.clear()
        self._waits += 1
        return self._backoff(fault, self._waits)

    def _backoff(self, fault: Fault, number: int) -> float:
        if fault.wait_s is not None:
            return spread(fault.wait_s, self._settings.backoff_s)
        return delay(number, self._settings.backoff_s)

    async def _try(self, body: bytes) -> Answer | Fault:
        """One request to the server that looks best; tells the table of servers how it went."""
        now = time.monotonic()
        address = self._shared.addresses.pick(self._tried, now)
        self._tried.add(address)
        left_s = self._ends - now
        limit_s = min(self._settings.timeout_s, left_s)
        address.in_flight += 1
        try:
            base, path = _place(address.url, self._settings)
            got = await self._shared.wire.request("POST", base, path, body, limit_s, self._count)
        finally:
            address.in_flight -= 1
        read = read_pooling if self._settings.api == "pooling" else read_answer
        outcome = weigh(got, address.url, self._shared.secret, read)
        if isinstance(outcome, Answer) or outcome.own:
            address.failures = 0
            return outcome
        address.failures += 1
        address.avoid_until = time.monotonic() + self._backoff(outcome, address.failures)
        if outcome.kind == "timeout" and left_s <= self._settings.timeout_s:
            return Fault("deadline", f"{outcome.what}, the end of {words(self._settings.deadline_s)} for the call")
        return outcome

    def _count(self) -> None:
        self.sent += 1
        self._shared.sent += 1

    def _too_late(self, fault: Fault, wait_s: float) -> Fault:
        limit = self._settings.deadline_s
        return Fault("deadline", f"the next try, in {words(wait_s)}, would come after {words(limit)}; {fault.what}")


def _place(url: str, settings: ServerSettings) -> tuple[str, str]:
    """Where requests go: vLLM serves pooling beside the /v1 of OpenAI's interface."""
    if settings.api == "pooling":
        return url.removesuffix("/v1"), "/pooling"
    return url, "/chat/completions"


def _result(fault: Fault) -> Result:
    if fault.kind != "refused":
        return "failed"
    return "refused" if fault.own else "hopeless"
