"""The circuit breaker: as a table of moments, and between the client and a server."""

from __future__ import annotations

import time

import pytest

from sgpo_cli.generation.endpoint.breaker import Breaker, Result, Ticket
from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import BreakerSettings, ChatRequest, Reply
from tests.generation.endpoint_help import ask, ask_all, failed, replied, settings
from tests.servers.behaviours import error, late, ok
from tests.servers.chat_server import ChatServer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(breaker: Breaker) -> Ticket:
    ticket = breaker.admit()
    assert ticket is not None
    return ticket


def feed(breaker: Breaker, results: str) -> None:
    """a answered, f failed, h hopeless, r refused, u unknown; each in a call of its own."""
    names: dict[str, Result] = {"a": "answered", "f": "failed", "h": "hopeless", "r": "refused", "u": "unknown"}
    for letter in results:
        breaker.record(admitted(breaker), names[letter], f"because {letter}")


@pytest.mark.parametrize(
    ("results", "opens"),
    [
        ("ffff", True),
        ("fff", False),  # the window is not full yet
        ("aaff", True),
        ("afff", True),
        ("aaaf", False),
        ("aaafuuuu", False),
        ("fffa", True),
        ("aaaaff", True),  # the last four
        ("aaaafaf", True),
        ("aaaafaaafaaaf", False),
        ("hh", False),
        ("hhh", True),  # a wrong key, before anything was answered
        ("hfh", False),
        ("hfhh", True),
        ("hhah", True),  # three of the last four
        ("aaahaaahaaah", False),
        ("arrrrrrrr", False),  # the server works; these prompts are too long
        ("rrrr", True),  # nothing was ever answered
    ],
)
def test_when_it_opens(results: str, opens: bool) -> None:
    breaker = Breaker(BreakerSettings(share=0.5, window=4, cooldown_s=10), Clock())
    feed(breaker, results[:-1])
    assert not breaker.refuses
    feed(breaker, results[-1])
    assert breaker.refuses is opens


def test_open_half_open_and_closed_again() -> None:
    clock = Clock()
    breaker = Breaker(BreakerSettings(share=1.0, window=2, cooldown_s=10), clock)
    early = admitted(breaker)
    feed(breaker, "ff")
    assert breaker.admit() is None and not breaker.is_current(early)
    assert (
        breaker.words() == "not asked, the next try is in 10 s: 2 of the last 2 calls failed, the last one: because f"
    )
    breaker.record(early, "answered")  # a call from before changes nothing
    clock.now += 9.9
    assert breaker.refuses
    clock.now += 0.2
    assert not breaker.refuses
    trial = admitted(breaker)
    assert trial.trial and breaker.admit() is None and "one call is trying" in breaker.words()
    breaker.record(trial, "unknown")  # given up: the next one tries
    trial = admitted(breaker)
    breaker.record(trial, "failed", "still ill")
    assert breaker.refuses and "still ill" in breaker.words()
    clock.now += 10.1
    breaker.record(admitted(breaker), "answered")
    ticket = admitted(breaker)
    assert not ticket.trial and breaker.is_current(ticket)
    feed(breaker, "f")  # the window starts empty
    assert not breaker.refuses
    feed(breaker, "f")
    assert breaker.refuses


def test_a_server_that_is_down_is_not_asked_again_until_it_is_back() -> None:
    quick = BreakerSettings(share=0.5, window=5, cooldown_s=1.0)
    with (
        ChatServer(error(500, "down")) as server,
        ChatClient(settings(server, retries=1, breaker=quick, concurrency=1)) as client,
    ):
        outcomes = [failed(outcome) for outcome in ask_all(client, [str(number) for number in range(40)])]
        assert [outcome.kind for outcome in outcomes] == ["server"] * 5 + ["breaker_open"] * 35
        assert client.breaker_open and len(server.log) == 10 == sum(outcome.requests for outcome in outcomes)
        assert "5 of the last 5 calls failed" in outcomes[-1].what and "500: down" in outcomes[-1].what

        time.sleep(1.05)
        assert not client.breaker_open
        outcomes = [failed(outcome) for outcome in ask_all(client, ["x"] * 20)]
        assert [outcome.kind for outcome in outcomes] == ["server"] + ["breaker_open"] * 19
        assert len(server.log) == 11  # the call that tries makes one request

        server.behaviour = ok("back")
        time.sleep(1.05)
        assert replied(ask(client)).text == "back"
        assert all(isinstance(outcome, Reply) for outcome in ask_all(client, ["y"] * 20))


def test_calls_under_way_stop_when_it_opens() -> None:
    """Eight places, a breaker that opens with the fourth failed call: nobody goes on with its twenty retries."""
    quick = BreakerSettings(share=0.5, window=4, cooldown_s=60)
    with ChatServer(error(500)) as server:
        server.behaviour = lambda asked: error(500 if int(asked.prompt) > 3 else 400)(asked)
        with ChatClient(settings(server, retries=20, breaker=quick, backoff_s=(0.1, 0.1))) as client:
            outcomes = [failed(outcome) for outcome in ask_all(client, [str(number) for number in range(8)])]
        assert [outcome.kind for outcome in outcomes] == ["refused"] * 4 + ["server"] * 4
        assert all(outcome.requests <= 2 for outcome in outcomes) and len(server.log) <= 12


def test_a_call_given_up_while_trying_leaves_the_way_to_the_next() -> None:
    quick = BreakerSettings(share=0.5, window=1, cooldown_s=0.1)
    with (
        ChatServer([error(500), late(30.0), ok()]) as server,
        ChatClient(settings(server, retries=0, breaker=quick)) as client,
    ):
        failed(ask(client))
        time.sleep(0.15)
        future = client.spawn(client.ask(ChatRequest((("user", "x"),))))
        while len(server.log) < 2:
            time.sleep(0.01)
        assert failed(ask(client)).kind == "breaker_open"
        future.cancel()
        while client.breaker_open:
            time.sleep(0.01)
        replied(ask(client))
        assert client.requests_sent == 3
