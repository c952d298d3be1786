"""One HTTP request and what came of it, as a value: the only file that knows the HTTP library (httpx2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sgpo_cli.generation.endpoint.addresses import is_loopback
from sgpo_cli.generation.endpoint.backoff import words
from sgpo_cli.generation.endpoint.secret import Secret

if TYPE_CHECKING:
    import httpx2

SLICE = 64
"""Connections of one httpx2 client. Its pool looks at all of them for each request, so more go to further clients:
with 512 in one, a request costs four times the processor time that it costs with 64."""
KEEP_S = 4.0
"""An idle connection is closed after this: uvicorn (so vLLM and SGLang) closes its side after 5."""
CONNECT_S = 15.0
"""A server that is there accepts a connection sooner."""
LONGEST_BODY = 8 * 1024 * 1024
"""Bytes of an answer; more is not read."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoResponse:
    """None, and why. `timed_out`: the time for it was over; else the connection failed."""

    what: str
    timed_out: bool = False


class TooLong(NoResponse):
    """The answer is longer than any completion."""


class Wire:
    """The open connections of one client; used on its loop only. `sent` counts whole requests that left."""

    def __init__(self, secret: Secret) -> None:
        self._headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", **secret.header()}
        self._clients: dict[tuple[str, int], httpx2.AsyncClient] = {}
        self._busy: Counter[tuple[str, int]] = Counter()
        self._context: Any = None

    def open(self) -> None:
        """Forgets all connections: those of a parent process are not ours."""
        self._clients, self._busy = {}, Counter()

    async def close(self) -> None:
        """Closes all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients = {}

    async def request(
        self, method: str, base: str, path: str, body: bytes | None, timeout_s: float, on_sent: Callable[[], None]
    ) -> Response | NoResponse:
        """Sends it and reads the answer, in `timeout_s` seconds in all; `on_sent` is called when it has left whole."""
        import httpx2

        async def trace(event: str, _: object) -> None:
            if event == "http11.send_request_body.complete":
                on_sent()

        try:
            async with (
                self._client(base) as client,  # the first one loads certificates, which is not the server's time
                asyncio.timeout(timeout_s),
                client.stream(method, f"{base}{path}", content=body, extensions={"trace": trace}) as response,
            ):
                return await _read(response)
        except TimeoutError:
            return NoResponse(f"no answer in {words(timeout_s)}", timed_out=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as problem:
            return NoResponse(f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__)
        except (ImportError, ValueError) as problem:  # what the library makes of the environment's proxy settings
            return NoResponse(f"{type(problem).__name__}: {problem}")

    @asynccontextmanager
    async def _client(self, base: str) -> AsyncIterator[httpx2.AsyncClient]:
        """The first client of that server with room for a request."""
        number = 0
        while self._busy[base, number] >= SLICE:
            number += 1
        place = (base, number)
        if place not in self._clients:
            self._clients[place] = self._new(base)
        self._busy[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._busy[place] -= 1

    def _new(self, base: str) -> httpx2.AsyncClient:
        import httpx2

        if self._context is None:
            self._context = httpx2.create_ssl_context()
        return httpx2.AsyncClient(
            headers=self._headers,
            verify=self._context,
            # The whole request has one timeout, above; a server that cannot be reached is known sooner.
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEP_S),
            trust_env=not is_loopback(base),
        )


async def _read(response: httpx2.Response) -> Response | NoResponse:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LONGEST_BODY:
            return TooLong(f"more than {LONGEST_BODY // 2**20} MiB")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, headers, bytes(body))
