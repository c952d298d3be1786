"""What the tests of the client share: settings that wait little, and calls made from outside its loop."""

from __future__ import annotations

from typing import Any

from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import BreakerSettings, ChatRequest, Failure, Reply, ServerSettings
from tests.servers.chat_server import ChatServer

NEVER = BreakerSettings(share=1.0, window=10_000)
"""A breaker that these tests do not reach."""


def settings(*servers: ChatServer | str, **changes: Any) -> ServerSettings:
    urls = tuple(server if isinstance(server, str) else server.url for server in servers)
    quick: dict[str, Any] = {
        "concurrency": 8,
        "timeout_s": 5.0,
        "deadline_s": 20.0,
        "backoff_s": (0.01, 0.05),
        "breaker": NEVER,
    }
    return ServerSettings(urls=urls, model="judge", **(quick | changes))


def ask(client: ChatClient, text: str = "hi", **body: Any) -> Reply | Failure:
    return client.spawn(client.ask(ChatRequest((("user", text),), body))).result(30)


def ask_all(client: ChatClient, texts: list[str]) -> list[Reply | Failure]:
    futures = [client.spawn(client.ask(ChatRequest((("user", text),)))) for text in texts]
    return [future.result(60) for future in futures]


def failed(outcome: Reply | Failure) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome


def replied(outcome: Reply | Failure) -> Reply:
    assert isinstance(outcome, Reply), outcome
    return outcome
