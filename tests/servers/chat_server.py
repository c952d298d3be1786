"""An OpenAI-compatible chat server that misbehaves on demand, and logs every request it gets.

In a test, on a thread of its own:

    with ChatServer(verdict(2)) as server:                   # a behaviour: see behaviours.py
    with ChatServer([too_many(0.1), ok("fine")]) as server:  # a script; the last one repeats
    with ChatServer(ok(answer), fail_share=0.3, fail_with=any_of(error(500), too_many(), dropped()), seed=1) as server:
        ...
        server.url          # http://127.0.0.1:PORT/v1
        server.log          # [Logged(...)]: every chat request, in order of arrival, as it was logged on arrival
        server.counts()     # {"ok": 7, "500": 3}
        server.behaviour = ok("changed while it runs")

As a process, which prints its url on its first line and lives until it is killed:

    python -m tests.servers.chat_server --port 0 --latency 1 --slots 64 --answer '{"first_error": -1}' --log calls.jsonl
    python -m tests.servers.chat_server --answer-from tests.mine:answer      # a function of the prompt

HTTP/1.1 with keep-alive over asyncio streams; POST /v1/chat/completions and GET /v1/models.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import importlib
import json
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from tests.servers.behaviours import Act, Asked, Behaviour, error, no_request, ok, raw, script, sometimes


@dataclass(frozen=True, slots=True)
class Logged:
    """One chat request as the server got it; `time` is seconds since the epoch."""

    time: float
    number: int
    behaviour: str
    status: int
    prompt_hash: str
    prompt: str
    connection: int


class ChatServer:
    """Serves from `__enter__` to `__exit__` in a thread; all options can be left out.

    latency_s: how long each request is worked on. slots: how many at once; others wait. key: refuse other keys (401).
    fail_share: this share of the requests does `fail_with` instead. log_file: a JSONL line a request, flushed.
    """

    def __init__(
        self,
        behaviour: Behaviour | list[Behaviour] | None = None,
        *,
        model: str = "judge",
        latency_s: float = 0.0,
        slots: int | None = None,
        fail_share: float = 0.0,
        fail_with: Behaviour | None = None,
        seed: int = 0,
        key: str | None = None,
        port: int = 0,
        log_file: Path | None = None,
    ) -> None:
        self.behaviour: Behaviour = script(behaviour) if isinstance(behaviour, list) else behaviour or ok()
        self.fail_share, self.fail_with, self.seed = fail_share, fail_with or error(500), seed
        self.models: Behaviour | None = None
        """Answers GET /models in the place of the list that holds `model`."""
        self.model, self.latency_s, self.slots, self.key, self.port = model, latency_s, slots, key, port
        self.log: list[Logged] = []
        self.connections = 0
        """Accepted so far."""
        self.models_asked = 0
        """How often GET /v1/models came."""
        self.most_at_once = 0
        """The largest number of chat requests that were in the server at one time."""
        self._at_once = 0
        self._seen: Counter[str] = Counter()
        self._log_file = log_file
        self._log_stream: IO[str] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self._free: asyncio.Semaphore | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def counts(self) -> dict[str, int]:
        """Requests by what was done with them."""
        return dict(Counter(entry.behaviour for entry in self.log))

    def __enter__(self) -> ChatServer:
        ready = threading.Event()
        failed: list[BaseException] = []

        def serve() -> None:
            try:
                asyncio.run(self.serve(ready))
            except OSError as problem:
                failed.append(problem)
                ready.set()

        self._thread = threading.Thread(target=serve, name="chat-server", daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            raise failed[0]
        return self

    def __exit__(self, *_: object) -> None:
        """Stops at once: connections are dropped, whatever was being worked on."""
        assert self._loop is not None and self._stop is not None and self._thread is not None
        with contextlib.suppress(RuntimeError):  # its loop may be gone already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)

    async def serve(self, ready: threading.Event | None = None) -> None:
        """Until `__exit__`, or for ever."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._free = asyncio.Semaphore(self.slots) if self.slots else None
        self._log_stream = self._log_file.open("a", encoding="utf-8") if self._log_file else None
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        if ready is not None:
            ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in self._open.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._log_stream:
            self._log_stream.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._open[writer] = asyncio.current_task()
        try:
            while await self._one(reader, writer, number):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        except asyncio.CancelledError:
            writer.transport.abort()  # the server is being stopped
        finally:
            del self._open[writer]
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> bool:
        """Reads and answers one request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.rstrip().split("\r\n")
        method, path, _ = line.split(" ", 2)
        headers = {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path.endswith("/models"):
            self.models_asked += 1
        authorization = headers.get("authorization", "")
        if self.key is not None and authorization != f"Bearer {self.key}":
            return await self._send(writer, error(401, "wrong key")(no_request()))
        if method == "GET" and path.endswith("/models"):
            served = json.dumps({"object": "list", "data": [{"id": self.model, "object": "model"}]})
            return await self._send(writer, (self.models or raw(served))(no_request()))
        if method != "POST" or not path.endswith("/chat/completions"):
            return await self._send(writer, error(404, f"no {path} here")(no_request()))
        act = self._decide(json.loads(body), authorization, connection)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self._work(act.delay_s)
        finally:
            self._at_once -= 1
        return await self._send(writer, act)

    def _decide(self, body: dict[str, Any], authorization: str, connection: int) -> Act:
        """What to do with this request; it is in the log before anything is done."""
        messages = body["messages"]
        digest = hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16]
        prompt = str(messages[-1].get("content", ""))
        asked = Asked(prompt, messages, body, digest, len(self.log), self._seen[digest], authorization)
        self._seen[digest] += 1
        behaviour = self.behaviour
        if self.fail_share:
            behaviour = sometimes(self.fail_share, self.fail_with, behaviour, self.seed)
        act = behaviour(asked)
        entry = Logged(time.time(), asked.number, act.name, act.status, digest, prompt, connection)
        self.log.append(entry)
        if self._log_stream:
            self._log_stream.write(json.dumps(asdict(entry)) + "\n")
            self._log_stream.flush()
        return act

    async def _work(self, delay_s: float) -> None:
        seconds = self.latency_s + delay_s
        async with self._free or contextlib.nullcontext():
            await asyncio.sleep(seconds)

    async def _send(self, writer: asyncio.StreamWriter, act: Act) -> bool:
        head = [f"HTTP/1.1 {act.status} X", f"Content-Type: {act.content_type}", f"Content-Length: {len(act.body)}"]
        head += [f"{name}: {value}" for name, value in act.headers]
        body = act.body[: len(act.body) // 2] if act.cut else act.body
        writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        await writer.drain()
        return not act.cut


def main() -> None:
    """The command line of the module's docstring."""
    parser = argparse.ArgumentParser(description="an OpenAI-compatible chat server for tests")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--model", default="judge")
    parser.add_argument("--answer", default="ok")
    parser.add_argument("--answer-from", help="package.module:function, from the prompt to the answer's text")
    parser.add_argument("--fail-share", type=float, default=0.0)
    parser.add_argument("--fail-status", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--log", type=Path)
    told = parser.parse_args()
    answer: Any = told.answer
    if told.answer_from:
        module, _, function = told.answer_from.partition(":")
        answer = getattr(importlib.import_module(module), function)
    server = ChatServer(
        ok(answer),
        model=told.model,
        latency_s=told.latency,
        slots=told.slots,
        fail_share=told.fail_share,
        fail_with=error(told.fail_status),
        seed=told.seed,
        key=told.key,
        port=told.port,
        log_file=told.log,
    )
    with server, contextlib.suppress(KeyboardInterrupt):
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
