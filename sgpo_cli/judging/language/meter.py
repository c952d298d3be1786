"""Counts what a language-model judge's calls cost; used from the client's thread and from those that ask."""

from __future__ import annotations

import threading

from sgpo_cli.generation.endpoint.types import Failure, Reply
from sgpo_cli.judging.usage import Usage
from sgpo_cli.recipe.judgecards import Price


class Meter:
    """`price`: money for a million tokens; without one `cost` stays None."""

    def __init__(self, price: Price | None = None) -> None:
        self._price = price
        self._lock = threading.Lock()
        self._usage = self._new()

    def take(self) -> Usage:
        """What was counted since the last call of this."""
        with self._lock:
            taken, self._usage = self._usage, self._new()
        if taken.uncounted and not taken.input_tokens:
            taken.cost = None  # nothing is known of the bill, which is not a bill of nothing
        return taken

    def count(self, *, cached: int = 0, failed: int = 0, repaired: int = 0) -> None:
        """Verdicts that cost no call, were given up, or came from a repair try."""
        with self._lock:
            self._usage.cached += cached
            self._usage.failed += failed
            self._usage.repaired += repaired

    def called(self, answer: Reply | Failure) -> None:
        """A call with all its requests. A failed request's tokens are known to nobody but the server."""
        with self._lock:
            usage = self._usage
            usage.calls += answer.requests
            if isinstance(answer, Reply):
                usage.input_tokens += answer.input_tokens
                usage.cached_tokens += answer.cached_tokens
                usage.output_tokens += answer.output_tokens
                usage.uncounted += not (answer.input_tokens or answer.output_tokens)
                if usage.cost is not None:
                    usage.cost += self._money(answer)

    def _new(self) -> Usage:
        return Usage() if self._price is None else Usage(cost=0.0, currency=self._price.currency)

    def _money(self, reply: Reply) -> float:
        assert self._price is not None
        cheap = self._price.input if self._price.cached_input is None else self._price.cached_input
        cached = min(reply.cached_tokens, reply.input_tokens)
        told = (reply.input_tokens - cached) * self._price.input + cached * cheap
        return (told + reply.output_tokens * self._price.output) / 1e6
