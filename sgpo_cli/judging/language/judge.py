"""The `language_model` judge: asks a model behind an OpenAI-compatible server for the first wrong step."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from sgpo_cli.errors import RunFailed
from sgpo_cli.generation.endpoint.types import ChatRequest, Failure, Reply
from sgpo_cli.judging.language.asking import Asker
from sgpo_cli.judging.language.flights import Flight, Flights
from sgpo_cli.judging.language.meter import Meter
from sgpo_cli.judging.language.options import fingerprint_of, is_standin, read_card, read_store, server_settings
from sgpo_cli.judging.language.prompt import shows_reference
from sgpo_cli.judging.language.standin import StandIn
from sgpo_cli.judging.store import VerdictStore, solution_key
from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.judgecards import LanguageModelCard

_WINDOW = 4  # times the concurrency: how far `stream` reads ahead


class Client(Protocol):
    """What the judge needs of `ChatClient`."""

    async def ask(self, request: ChatRequest) -> Reply | Failure: ...
    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]: ...
    def hide(self, text: str) -> str: ...
    def probe(self) -> list[str]: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Ticket:
    """A verdict that is there, or a place in a flight that will bring it."""

    verdict: Verdict | None = None
    flight: Flight | None = None
    shared: bool = False

    def is_ready(self) -> bool:
        return self.flight is None or self.flight.answer.done()


class LanguageModelJudge:
    """Every question goes out as soon as one of `concurrency` places is free, in order, so that prefix caches hit.

    A verdict is stored as it arrives and looked up before asking; an abstention is never stored. Thread-safe. A failing
    server gives abstentions; a failing store raises (`SgpoError`), since going on would lose what was paid for.
    """

    def __init__(
        self,
        card: LanguageModelCard,
        client: Client,
        *,
        store: VerdictStore | None = None,
        standin: StandIn | None = None,
    ) -> None:
        """Owns client, store and stand-in: `close` closes them."""
        self.name = card.model if standin is None else f"stand-in for {card.model}"
        self.fingerprint = fingerprint_of(card)
        self._card = card
        self._client = client
        self._store = store
        self._standin = standin
        self._meter = Meter(card.price)
        self._asker = Asker(card, client, self._meter, self.name)
        self._places = asyncio.Semaphore(card.concurrency)
        self._flights = Flights(lambda flight: client.spawn(self._fly(flight)))
        # One thread for writing: a store that waits for another process must not hold the client's loop up.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="verdict-store")

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict for each solution, in order; equal ones are asked once."""
        tickets = self._tickets(solutions)
        try:
            return [self._wait(ticket) for ticket in tickets]
        finally:
            self._leave(tickets)

    def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
        """One verdict for each solution, in order, as they come; reads ahead by 4 times the concurrency, no more.

        Closed early, it asks nothing more; what is under way arrives and is stored.
        """
        source = iter(solutions)
        window: deque[_Ticket] = deque()
        most, more = _WINDOW * self._card.concurrency, True
        try:
            while True:
                while more and len(window) < most:
                    more = self._read_one(source, window)
                    if window and window[0].is_ready():
                        break
                if not window:
                    return
                verdict = self._wait(window[0])
                self._leave([window.popleft()])
                yield verdict
        finally:
            self._leave(window)

    def take_usage(self) -> Usage:
        return self._meter.take()

    def probe(self) -> list[str]:
        """What is wrong with the servers, a line each."""
        return self._client.probe()

    def close(self) -> None:
        """Ends what is under way; may be called twice."""
        self._client.close()
        self._writer.shutdown(wait=True)
        if self._store is not None:
            self._store.close()
        if self._standin is not None:
            self._standin.close()

    def __enter__(self) -> LanguageModelJudge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_one(self, source: Iterator[Solution], window: deque[_Ticket]) -> bool:
        for solution in source:
            window.extend(self._tickets([solution]))
            return True
        return False

    def _tickets(self, solutions: Sequence[Solution]) -> list[_Ticket]:
        tickets = [_Ticket(self._asker.without_asking(solution)) for solution in solutions]
        open_ = [i for i, ticket in enumerate(tickets) if ticket.verdict is None]
        keys = {i: self._key(solutions[i]) for i in open_}
        stored = self._store.get_many(self.fingerprint, list(set(keys.values()))) if self._store and keys else {}
        try:
            for i in open_:
                verdict = stored.get(keys[i])
                if verdict is None:
                    tickets[i].flight, tickets[i].shared = self._flights.board(keys[i], solutions[i])
                else:
                    tickets[i].verdict = verdict
                    self._meter.count(cached=1)
        except BaseException:
            self._leave(tickets)
            raise
        return tickets

    def _key(self, solution: Solution) -> str:
        return solution_key(solution, reference=shows_reference(self._card, solution))

    def _wait(self, ticket: _Ticket) -> Verdict:
        if ticket.flight is None:
            assert ticket.verdict is not None
            return ticket.verdict
        try:
            verdict = ticket.flight.answer.result()
        except CancelledError:
            raise RunFailed(f"judge {self.name} was closed while it was being asked") from None
        assert verdict is not None, "a flight that somebody waits for was not asked"
        if ticket.shared and not verdict.abstained:
            self._meter.count(cached=1)
        return verdict

    def _leave(self, tickets: Iterable[_Ticket]) -> None:
        for ticket in tickets:
            if ticket.flight is not None:
                self._flights.leave(ticket.flight)
                ticket.flight = None

    async def _fly(self, flight: Flight) -> Verdict | None:
        """Runs in the client's loop: waits for a place, asks, stores. None when nobody waits for it any more."""
        async with self._places:
            if not self._flights.take_off(flight):
                return None
            try:
                return await self._answer(flight)
            finally:
                self._flights.land(flight)

    async def _answer(self, flight: Flight) -> Verdict:
        if self._store is None:
            return await self._asker.ask(flight.solution)
        run = asyncio.get_running_loop().run_in_executor
        stored = await run(self._writer, self._store.get, self.fingerprint, flight.key)
        if stored is not None:  # while it waited for a place, another thread or process asked the same
            self._meter.count(cached=1)
            return stored
        verdict = await self._asker.ask(flight.solution)
        if verdict.abstained:
            return verdict
        return await run(self._writer, self._keep, flight.key, verdict)

    def _keep(self, key: str, verdict: Verdict) -> Verdict:
        """Stores a verdict and gives what the store holds: the first one, if another process was faster."""
        assert self._store is not None
        self._store.put(self.fingerprint, key, verdict)
        return self._store.get(self.fingerprint, key) or verdict


def from_options(options: Mapping[str, object]) -> LanguageModelJudge:
    """The judge of a card's options and a `store` (VerdictStore or None), which it closes.

    `UserError` for a mistake in them, or when the key's environment variable is not set.
    """
    from sgpo_cli.generation.endpoint.client import ChatClient

    card, store = read_card(options), read_store(options)
    standin = StandIn(model=card.model) if is_standin(card) else None
    try:
        client = ChatClient(server_settings(card, standin=standin.url if standin else None))
    except BaseException:
        if standin is not None:
            standin.close()
        raise
    return LanguageModelJudge(card, client, store=store, standin=standin)
