"""What an OpenAI-compatible server is asked and what comes back; failures are values, never exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FailureKind = Literal[
    "timeout",  # one request took longer than `timeout_s`, on the last try too
    "deadline",  # the call with all its tries took longer than `deadline_s`, or the next try would come after it
    "rate_limited",  # 429, on the last try too
    "server",  # 5xx, 408, 409 or 425, on the last try too
    "connection",  # refused, reset, dropped in the middle of the body, on the last try too
    "bad_reply",  # 200, but not a chat completion, twice
    "refused",  # any other status: asking again cannot help
    "breaker_open",  # not asked: too many of the last calls failed
]


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When the client stops asking: `share` of the last `window` calls failed. After `cooldown_s` one call tries."""

    share: float = 0.5
    window: int = 20
    cooldown_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One model behind one or several servers.

    `urls` are base addresses that end in /v1. `key_env` names the environment variable that holds the key; the key
    itself is never kept in settings, errors or logs. `concurrency`: calls under way over all urls; others wait, and
    neither `timeout_s` (a request) nor `deadline_s` (a call with all its tries and the waits between them) runs for
    them meanwhile. `retries`: tries after the first one.
    """

    urls: tuple[str, ...]
    model: str
    key_env: str | None = None
    concurrency: int = 64
    timeout_s: float = 120.0
    deadline_s: float = 600.0
    retries: int = 4
    backoff_s: tuple[float, float] = (0.5, 30.0)
    """Base and cap of the jittered exponential backoff; a Retry-After header wins over it."""
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    api: Literal["chat", "pooling"] = "chat"
    """`pooling`: vLLM's POST /pooling, beside /v1; a reply's text is then the JSON of what was pooled."""
    answer_tokens: int = 0
    """The longest answer that requests will ask for; `probe` compares it with what the server says it can hold."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call: `messages` as (role, content) pairs (of a chat), and further fields of the request's body."""

    messages: tuple[tuple[str, str], ...]
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """The first choice's text ("" where the server sent none), and why it ended as the server says ("length": cut off).

    `requests`: how many were sent for it; `seconds`: from when the call got its place to the end; token counts are 0
    where the server is silent.
    """

    text: str
    finish_reason: str | None
    requests: int
    seconds: float
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply, in words without any secret. `requests`: how many were sent in vain (0: none)."""

    kind: FailureKind
    what: str
    requests: int
    seconds: float
