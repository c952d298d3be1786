"""The protocol of a guidance schedule: a pure `update(state, signal) -> state`, and the length a state asks for.

The state is everything that changes; it is frozen, plain data, and part of every checkpoint (the released G2RPO-A code
loses its length on resume). A schedule itself holds settings only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sgpo_cli.methods.guidance.signal import Signal

S = TypeVar("S")


class Schedule(Protocol[S]):
    """How long the guidance is, step by step, in units (steps or tokens of the trace)."""

    def start(self) -> S:
        """The state before the first step."""

    def update(self, state: S, signal: Signal) -> S:
        """The state after the step that `signal` tells of. Pure: equal arguments, equal result, on every rank."""

    def length(self, state: S, problem: str) -> float:
        """The length asked for in the next step for the problem with this id, >= 0; `cut` makes whole units of it."""

    def mean_length(self, state: S) -> float:
        """One number for curves: the length of a problem that no per-problem state speaks of."""

    def to_json(self, state: S) -> dict[str, Any]:
        """The state as JSON values; floats survive exactly."""

    def from_json(self, data: Mapping[str, Any]) -> S:
        """The state that `to_json` wrote. Raises KeyError, TypeError or ValueError when it is none of this schedule."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The state of a schedule that only needs to know when it is."""

    done: int = 0
    """Steps made."""


class Timed:
    """A schedule whose length depends on the step alone: a subclass says `at(done)`."""

    def at(self, done: int) -> float:
        """The length after `done` steps."""
        raise NotImplementedError

    def start(self) -> Clock:
        return Clock()

    def update(self, state: Clock, signal: Signal) -> Clock:
        return Clock(signal.step)

    def length(self, state: Clock, problem: str) -> float:
        return self.at(state.done)

    def mean_length(self, state: Clock) -> float:
        return self.at(state.done)

    def to_json(self, state: Clock) -> dict[str, Any]:
        return {"done": state.done}

    def from_json(self, data: Mapping[str, Any]) -> Clock:
        return Clock(int(data["done"]))
