"""Questions under way, shared: equal solutions wait for one answer, also across batches and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from sgpo_cli.judging.verdict import Solution, Verdict


@dataclass(eq=False, slots=True)
class Flight:
    """One question. `waiting`: how many hold a place in it; `asked`, `landed`: how far it is."""

    key: str
    solution: Solution
    waiting: int = 0
    asked: bool = False
    landed: bool = False
    answer: Future[Verdict | None] = field(default_factory=Future)


class Flights:
    """`start` begins a question and gives its future; what it begins calls `take_off` and, if that is true, `land`."""

    def __init__(self, start: Callable[[Flight], Future[Verdict | None]]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._by_key: dict[str, Flight] = {}

    def board(self, key: str, solution: Solution) -> tuple[Flight, bool]:
        """A place in the flight of that key, and whether there was one already. Whoever boards leaves."""
        with self._lock:
            flight = self._by_key.get(key)
            shared = flight is not None
            if flight is None:
                flight = Flight(key, solution)
                flight.answer = self._start(flight)
                self._by_key[key] = flight
            flight.waiting += 1
            return flight, shared

    def leave(self, flight: Flight) -> None:
        """Gives a place up. A flight that nobody waits for is not asked; one that is under way goes on."""
        with self._lock:
            flight.waiting -= 1
            self._forget(flight)

    def take_off(self, flight: Flight) -> bool:
        """Whether to ask: does anyone wait for it still?"""
        with self._lock:
            flight.asked = flight.waiting > 0
            return flight.asked

    def land(self, flight: Flight) -> None:
        """Its answer is there."""
        with self._lock:
            flight.landed = True
            self._forget(flight)

    def _forget(self, flight: Flight) -> None:
        if flight.waiting == 0 and (flight.landed or not flight.asked):
            self._by_key.pop(flight.key, None)
