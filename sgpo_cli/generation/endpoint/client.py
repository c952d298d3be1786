"""`ChatClient`: many calls at once to OpenAI-compatible servers, with every failure a value.

A call waits for one of `concurrency` places, which it holds until it ends, between its tries too: what a struggling
server is asked stays bounded. No time limit runs before it has its place. The retries after a failure go to another
server at once where one works, else after a jittered exponential backoff, or when the server's Retry-After is over.
A 200 that is no completion (a proxy's page) is asked for once more, a refusal (wrong key, prompt too long) never.
Calls that run while the breaker opens make no further tries. Every HTTP request that leaves is counted.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from sgpo_cli.errors import UserError
from sgpo_cli.generation.endpoint.addresses import checked
from sgpo_cli.generation.endpoint.answer import clean
from sgpo_cli.generation.endpoint.attempt import Fault
from sgpo_cli.generation.endpoint.breaker import Result
from sgpo_cli.generation.endpoint.call import Call, Shared
from sgpo_cli.generation.endpoint.loop import LoopThread
from sgpo_cli.generation.endpoint.probe import probe_one
from sgpo_cli.generation.endpoint.secret import read_key
from sgpo_cli.generation.endpoint.types import ChatRequest, Failure, Reply, ServerSettings

T = TypeVar("T")


class ChatClient:
    """Connections and their thread open with the first call, and anew in a forked child; a context manager."""

    def __init__(self, settings: ServerSettings) -> None:
        """Raises `UserError` for an address no request can be sent to, a key that is not set, or limits below 1."""
        _check(settings)
        self._settings = settings
        self._secret = read_key(settings.key_env)
        self._shared = Shared(settings, self._secret)
        self._thread = LoopThread("chat-client", self._shared.open, self._shared.wire.close)

    def __repr__(self) -> str:
        return f"ChatClient({self._settings.model!r} at {', '.join(self._settings.urls)})"

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hide(self, text: str) -> str:
        """`text` without the key: for what was decoded from a reply, where escapes may have spelled it."""
        return self._secret.hide(text)

    @property
    def breaker_open(self) -> bool:
        """Whether a call that came now would be refused without being sent; false again when the cooldown is over."""
        return self._shared.breaker.refuses

    @property
    def requests_sent(self) -> int:
        """Requests for completions that left so far, those of cancelled calls too: what the servers' logs count."""
        return self._shared.sent

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Runs a coroutine on the client's loop; from any thread. Cancelling the future cancels it."""
        return self._thread.spawn(coroutine)

    def close(self) -> None:
        """Cancels what runs, closes all connections and ends the thread; later calls raise `RuntimeError`."""
        self._thread.close()

    def probe(self) -> list[str]:
        """Asks every server for its models: what is wrong, a line a server, [] when all serve the model.

        A server that says it cannot hold `answer_tokens` and a prompt is wrong too. Waits for the answers, so not to be
        called on the client's own loop. Not counted in `requests_sent`.
        """
        return self.spawn(self._probe()).result()

    async def _probe(self) -> list[str]:
        limit = min(self._settings.timeout_s, 15.0)
        urls = [address.url for address in self._shared.addresses.all]
        model = self._settings.model
        longest = self._settings.answer_tokens
        found = await asyncio.gather(
            *(probe_one(self._shared.wire, url, model, self._secret, limit, longest) for url in urls)
        )
        return [line for line in found if line is not None]

    async def ask(self, request: ChatRequest) -> Reply | Failure:
        """One call with all its tries; every way it can go wrong is a `Failure`. May be awaited on any loop."""
        if not self._thread.is_here():
            return await asyncio.wrap_future(self.spawn(self.ask(request)))
        async with self._shared.places:
            began = time.monotonic()
            body = self._body(request)
            if isinstance(body, Failure):
                return body
            ticket = self._shared.breaker.admit()
            if ticket is None:
                return Failure("breaker_open", self._shared.breaker.words(), 0, 0.0)
            call = Call(self._shared, ticket, began)
            result: Result = "unknown"  # stays so when the caller gives up
            what = ""
            try:
                outcome = await call.run(body)
                result, what = call.result, outcome.what if isinstance(outcome, Fault) else ""
            finally:
                self._shared.breaker.record(ticket, result, what)
        seconds = time.monotonic() - began
        if isinstance(outcome, Fault):
            tries = f" ({call.sent} requests)" if call.sent > 1 else ""
            return Failure(outcome.kind, f"{outcome.what}{tries}", call.sent, seconds)
        text = self._secret.hide(outcome.text)
        tokens = (outcome.input_tokens, outcome.cached_tokens, outcome.output_tokens)
        return Reply(text, outcome.finish_reason, call.sent, seconds, *tokens)

    def _body(self, request: ChatRequest) -> bytes | Failure:
        body: dict[str, Any] = {**request.body, "model": self._settings.model}
        if self._settings.api == "chat":
            messages = [{"role": role, "content": clean(content)} for role, content in request.messages]
            body |= {"messages": messages, "stream": False}
        try:
            return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as problem:
            return Failure("refused", f"not sent: the request is no JSON, {self._secret.words(str(problem))}", 0, 0.0)


def _check(settings: ServerSettings) -> None:
    if not settings.urls:
        raise UserError("a language model needs the address of at least one server", fix="endpoints: [http://...]")
    for url in settings.urls:
        checked(url)
    if min(settings.concurrency, settings.breaker.window) < 1 or settings.retries < 0:
        raise UserError("concurrency and the breaker's window must be at least 1, and retries at least 0")
    if min(settings.timeout_s, settings.deadline_s) <= 0 or not 0 <= settings.backoff_s[0] <= settings.backoff_s[1]:
        raise UserError("timeout_s and deadline_s must be above 0, and backoff_s its base and its cap in seconds")
