"""The client's thread: when it starts, who may use it, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import ChatRequest
from tests.conftest import REPOSITORY
from tests.generation.endpoint_help import ask, replied, settings
from tests.servers.behaviours import late, ok, too_many
from tests.servers.chat_server import ChatServer


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "chat-client"]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_nothing_runs_before_the_first_call_and_nothing_after_close() -> None:
    with ChatServer(latency_s=0.01) as server:
        client = ChatClient(settings(server))
        assert threads() == []
        before = open_files()
        replied(ask(client))
        assert threads() == ["chat-client"]
        client.close()
        client.close()
        assert threads() == []
        deadline = time.monotonic() + 5
        while open_files() > before and time.monotonic() < deadline:
            time.sleep(0.01)  # the server, in this process too, closes its side
        assert open_files() == before
        with pytest.raises(RuntimeError, match="closed"):
            ask(client)


def test_close_cancels_what_runs_and_what_waits() -> None:
    with ChatServer(late(30.0)) as server:
        client = ChatClient(settings(server, concurrency=2, timeout_s=60))
        futures = [client.spawn(client.ask(ChatRequest((("user", str(n)),)))) for n in range(10)]
        while len(server.log) < 2:
            time.sleep(0.01)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 2
        for future in futures:
            with pytest.raises(concurrent.futures.CancelledError):
                future.result(1)
        assert len(server.log) == 2 == client.requests_sent and threads() == []


def test_a_cancelled_call_gives_its_place_back() -> None:
    with ChatServer([late(30.0), ok("next")]) as server, ChatClient(settings(server, concurrency=1)) as client:
        stuck = client.spawn(client.ask(ChatRequest((("user", "x"),))))
        while not server.log:
            time.sleep(0.01)
        stuck.cancel()
        assert replied(ask(client)).text == "next"


def test_many_threads_share_one_client() -> None:
    with ChatServer(ok(str.upper)) as server, ChatClient(settings(server)) as client:

        def work(name: str) -> list[str]:
            return [replied(ask(client, f"{name} {number}")).text for number in range(20)]

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            found = list(pool.map(work, "abcdef"))
        assert threads() == ["chat-client"]
        assert found == [[f"{name} {number}".upper() for number in range(20)] for name in "abcdef"]
        assert len(server.log) == 120 and server.connections <= 8


def test_coroutines_of_the_caller_run_on_the_clients_loop() -> None:
    async def twice(client: ChatClient) -> list[str]:
        request = ChatRequest((("user", "x"),))
        return [replied(outcome).text for outcome in await asyncio.gather(client.ask(request), client.ask(request))]

    async def broken() -> None:
        raise ValueError("mine")

    with ChatServer() as server, ChatClient(settings(server)) as client:
        assert client.spawn(twice(client)).result(10) == ["ok", "ok"]
        with pytest.raises(ValueError, match="mine"):
            client.spawn(broken()).result(10)


def test_a_client_that_nobody_holds_ends_its_thread() -> None:
    with ChatServer() as server:
        client = ChatClient(settings(server))
        replied(ask(client))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
            deadline = time.monotonic() + 5
            while threads() and time.monotonic() < deadline:
                time.sleep(0.01)
            gc.collect()
        assert threads() == [] and [str(one.message) for one in caught] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_opens_connections_of_its_own() -> None:
    with ChatServer(ok(str.upper)) as server, ChatClient(settings(server)) as client:
        replied(ask(client, "parent"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
            child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if replied(ask(client, "child")).text == "CHILD" else 2
                client.close()
                gc.collect()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert replied(ask(client, "parent again")).text == "PARENT AGAIN"
        one, two, three = (entry.connection for entry in server.log)
        assert one == three != two


@pytest.mark.parametrize("end", ["", "client.close()", "raise SystemExit(3)", "os.kill(os.getpid(), 2); time.sleep(9)"])
def test_a_process_ends_at_once_and_in_silence(end: str) -> None:
    """With calls under way, however it ends: no warning of unclosed things, no waiting for the server."""
    program = f"""
        import os, signal, sys, time, warnings
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
        warnings.simplefilter("always")
        from sgpo_cli.generation.endpoint.client import ChatClient
        from sgpo_cli.generation.endpoint.types import ChatRequest, ServerSettings
        client = ChatClient(ServerSettings((sys.argv[1],), "judge"))
        future = client.spawn(client.ask(ChatRequest((("user", "x"),))))
        while not client.requests_sent:
            time.sleep(0.01)
        {end}
    """
    with ChatServer(late(30.0)) as server:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-W", "always", "-c", textwrap.dedent(program), server.url],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=25,
        )
    assert time.monotonic() - began < 15
    assert done.returncode == {"r": 3, "o": -2}.get(end[:1], 0)
    if "kill" not in end:
        assert done.stderr == ""
    else:
        assert "KeyboardInterrupt" in done.stderr and "unclosed" not in done.stderr


def test_the_types_and_the_client_are_light_to_import() -> None:
    program = "import sys, sgpo_cli.generation.endpoint.client; print({'httpx2', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_close_does_not_wait_for_the_time_of_the_next_try() -> None:
    with ChatServer(too_many(60.0)) as server:
        client = ChatClient(settings(server, deadline_s=600))
        future = client.spawn(client.ask(ChatRequest((("user", "x"),))))
        while not server.log:
            time.sleep(0.01)
        time.sleep(0.05)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 2 and future.cancelled()
