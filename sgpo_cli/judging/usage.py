"""What judging cost: counted by judges whose calls leave the process, and added up by whoever asked them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

from sgpo_cli.judging.verdict import Judge


@dataclass(slots=True)
class Usage:
    """Counts since the last look. `cost` is None where the card names no price."""

    calls: int = 0
    """HTTP requests sent, retries and repair tries included: what the server's own log counts."""
    cached: int = 0
    """Verdicts that cost no call: from the verdict store, or from an equal solution in flight."""
    failed: int = 0
    """Verdicts given up: no usable answer after every try. Each is an abstention."""
    repaired: int = 0
    """Verdicts that came from the one repair try, after an answer outside the schema."""
    input_tokens: int = 0
    cached_tokens: int = 0
    """Of the input tokens, those that the server says it had in its prefix cache."""
    output_tokens: int = 0
    uncounted: int = 0
    """Answers of which the server did not say how many tokens they took: `cost` is without them."""
    cost: float | None = None
    """None where the card names no price, or the server counted no answer's tokens."""
    currency: str | None = None
    """Of `cost`; several judges' currencies are joined by a slash."""

    def add(self, other: Usage) -> None:
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost
        told = dict.fromkeys(name for name in (self.currency, other.currency) if name is not None)
        self.currency = "/".join(told) or None

    def to_json(self) -> dict[str, int | float | str | None]:
        return asdict(self)


_COUNTS = (
    *("calls", "cached", "failed", "repaired"),
    *("input_tokens", "cached_tokens", "output_tokens", "uncounted"),
)


@runtime_checkable
class Metered(Protocol):
    """A judge that counts what it costs."""

    def take_usage(self) -> Usage:
        """Everything counted since the last call of this, which starts the count anew; thread-safe."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A judge behind a server."""

    def probe(self) -> list[str]:
        """What is wrong with its servers, a line each; empty when every one answers and serves the model."""
        ...


def take_usage(judge: Judge) -> Usage | None:
    """The usage of a metered judge, None of any other."""
    return judge.take_usage() if isinstance(judge, Metered) else None
