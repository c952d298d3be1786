"""What the test server may do with a request, well-behaved and otherwise.

A *behaviour* is a function from `Asked` to `Act`; those below are made by calling a function here, as in
`ChatServer([too_many(0.1), ok("fine")])`. A list is a script: one behaviour a request, the last one for all the rest.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a chat completion. `prompt` is the last message's text."""

    prompt: str
    messages: list[dict[str, str]]
    body: dict[str, Any]
    prompt_hash: str
    """Of all messages."""
    number: int
    """How many requests came before this one."""
    seen: int
    """How many of them had the same messages."""
    authorization: str


@dataclass(frozen=True, slots=True)
class Act:
    """What is sent. `name` goes to the log; `cut`: half of the body, then the connection is dropped."""

    name: str
    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    cut: bool = False
    content_type: str = "application/json"


Behaviour = Callable[[Asked], Act]
Answer = str | Callable[[str], str] | Callable[[Asked], str]


def ok(answer: Answer = "ok", *, finish_reason: str = "stop", usage: dict[str, Any] | None = None) -> Behaviour:
    """A completion whose text is `answer`: a string, or a function of the prompt.

    Without `usage`, words are counted as tokens, and none is cached; `usage={}` leaves the field out.
    """

    def act(asked: Asked) -> Act:
        text = answer if isinstance(answer, str) else answer(asked.prompt)
        return Act("ok", json.dumps(completion(asked, text, finish_reason, usage)).encode())

    return act


def verdict(first_error: Callable[[str], int] | int, field: str = "first_error") -> Behaviour:
    """A completion whose text is `{"first_error": n}`; out of range if you say so."""

    def answer(prompt: str) -> str:
        return json.dumps({field: first_error if isinstance(first_error, int) else first_error(prompt)})

    return ok(answer)


def late(seconds: float, then: Behaviour | None = None) -> Behaviour:
    """Does what `then` does (answers "ok"), but `seconds` later than it should."""
    inner = then or ok()

    def act(asked: Asked) -> Act:
        return replace(inner(asked), name="late", delay_s=seconds)

    return act


def error(status: int, message: str = "told to fail", headers: dict[str, str] | None = None) -> Behaviour:
    """An error in the API's own form."""
    body = json.dumps({"error": {"message": message, "type": "test", "code": status}}).encode()
    return lambda asked: Act(str(status), body, status, tuple((headers or {}).items()))


def too_many(retry_after: float | str | None = None, status: int = 429) -> Behaviour:
    """429 (or 503) with Retry-After: seconds, or an HTTP date as text. Not whole seconds go to retry-after-ms."""
    if retry_after is None:
        return error(status, "too many requests")
    if isinstance(retry_after, float) and not retry_after.is_integer():
        return error(status, "too many requests", {"retry-after-ms": str(round(retry_after * 1000))})
    said = retry_after if isinstance(retry_after, str) else str(int(retry_after))
    return error(status, "too many requests", {"Retry-After": said})


def dropped() -> Behaviour:
    """The connection is closed in the middle of a good body."""
    return lambda asked: replace(ok()(asked), name="dropped", cut=True)


def raw(body: bytes | str, status: int = 200, content_type: str = "application/json", name: str = "raw") -> Behaviour:
    """Exactly these bytes."""
    data = body.encode() if isinstance(body, str) else body
    return lambda asked: Act(name, data, status, content_type=content_type)


def malformed() -> Behaviour:
    """200 with JSON that breaks off."""
    return raw('{"id": "x", "choices": [{"mess', name="malformed")


def html(status: int = 200) -> Behaviour:
    """A proxy's error page."""
    return raw("<html><body><h1>Bad gateway</h1></body></html>", status, "text/html", f"html {status}")


def echo_key(status: int = 401) -> Behaviour:
    """An error whose text repeats the Authorization header, as some servers' do."""
    return lambda asked: error(status, f"invalid key: {asked.authorization!r}")(asked)


def script(steps: list[Behaviour]) -> Behaviour:
    """One a request in order of arrival; the last one for all the rest."""
    return lambda asked: steps[min(asked.number, len(steps) - 1)](asked)


def sometimes(share: float, bad: Behaviour, good: Behaviour, seed: int = 0) -> Behaviour:
    """`bad` with probability `share`; which ones depends on seed, messages and how often they came, not on timing."""

    def act(asked: Asked) -> Act:
        draw = random.Random(f"{seed}/{asked.prompt_hash}/{asked.seen}").random()
        return (bad if draw < share else good)(asked)

    return act


def any_of(*choices: Behaviour, seed: int = 0) -> Behaviour:
    """One of them, drawn in the same way; as `bad` of `sometimes` it gives a mixture of failures."""

    def act(asked: Asked) -> Act:
        return random.Random(f"{seed}+{asked.prompt_hash}/{asked.seen}").choice(choices)(asked)

    return act


def completion(asked: Asked, text: str, finish_reason: str = "stop", usage: dict[str, Any] | None = None) -> Any:
    """The body of a good answer."""
    prompt_tokens = sum(len(str(message.get("content", "")).split()) for message in asked.messages)
    tokens = len(text.split())
    if usage is None:
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    answer = {"id": f"chat-{asked.number}", "object": "chat.completion", "model": asked.body.get("model")}
    return answer | {"choices": [choice]} | ({"usage": usage} if usage else {})


def no_request() -> Asked:
    """Stands for the request where a behaviour does not look at it."""
    return Asked("", [], {}, "", 0, 0, "")
