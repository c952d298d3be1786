"""The client against a server that misbehaves: what comes back, how often the server was asked, and when."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import pytest

from sgpo_cli.generation.endpoint import wire
from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import ChatRequest, Failure, Reply
from tests.generation.endpoint_help import ask, ask_all, failed, replied, settings
from tests.servers.behaviours import (
    Behaviour,
    any_of,
    dropped,
    error,
    html,
    late,
    malformed,
    no_request,
    ok,
    raw,
    too_many,
)
from tests.servers.chat_server import ChatServer


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port of this machine at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_good_answer_with_its_tokens() -> None:
    usage = {"prompt_tokens": 90, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64}}
    with ChatServer(ok(str.upper, finish_reason="length", usage=usage)) as server:
        with ChatClient(settings(server)) as client:
            reply = replied(ask(client, "so what", temperature=0))
            assert client.probe() == []
        assert (reply.text, reply.finish_reason, reply.requests) == ("SO WHAT", "length", 1)
        assert (reply.input_tokens, reply.cached_tokens, reply.output_tokens) == (90, 64, 7)
        assert server.counts() == {"ok": 1} and server.models_asked == 1


def test_the_body_is_what_was_asked() -> None:
    seen = []
    with ChatServer(lambda asked: seen.append(asked) or ok()(asked)) as server, ChatClient(settings(server)) as client:
        request = ChatRequest((("system", "s"), ("user", "u \ud800")), {"temperature": 0.5, "model": "mine"})
        replied(client.spawn(client.ask(request)).result(10))
    assert seen[0].body == {
        "temperature": 0.5,
        "model": "judge",
        "stream": False,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u ?"}],
    }
    assert seen[0].authorization == ""


def test_a_body_that_is_no_json_is_refused_unsent() -> None:
    with ChatServer() as server, ChatClient(settings(server)) as client:
        failure = failed(ask(client, top_p={1, 2}))
        assert (failure.kind, failure.requests) == ("refused", 0)
        assert failed(ask(client, top_p=float("nan"))).kind == "refused"
        assert server.log == []


@pytest.mark.parametrize(
    ("behaviour", "kind", "requests", "says"),
    [
        (error(500, "boom"), "server", 3, "500: boom (3 requests)"),
        (html(503), "server", 3, "503: <html>"),
        (error(408), "server", 3, "408"),
        (error(409), "server", 3, "409"),
        (error(425), "server", 3, "425"),
        (too_many(), "rate_limited", 3, "429: too many requests"),
        (dropped(), "connection", 3, "RemoteProtocolError"),
        (late(9.0), "timeout", 3, "no answer in 0.3 s"),
        (malformed(), "bad_reply", 2, "not a JSON object"),
        (html(), "bad_reply", 2, "Bad gateway"),
        (raw('{"error": {"message": "upstream is ill"}}'), "bad_reply", 2, "no choices: upstream is ill"),
        (raw('{"choices": [{}]}'), "bad_reply", 2, "no message"),
        (error(400, "prompt too long"), "refused", 1, "400: prompt too long"),
        (error(401, "who?"), "refused", 1, "401: who?"),
        (error(404), "refused", 1, "404"),
        (error(302), "refused", 1, "302"),
        (
            raw('{"error": {"message": "pay", "code": "insufficient_quota"}}', 429, name="429 quota"),
            "refused",
            1,
            "429: pay",
        ),
    ],
)
def test_every_kind_of_failure(behaviour: Behaviour, kind: str, requests: int, says: str) -> None:
    timeout_s = 0.3 if kind == "timeout" else 5.0
    with ChatServer(behaviour) as server:
        with ChatClient(settings(server, retries=2, timeout_s=timeout_s)) as client:
            failure = failed(ask(client))
        assert (failure.kind, failure.requests) == (kind, requests)
        assert says in failure.what
        assert len(server.log) == requests == client.requests_sent


def test_a_server_that_is_not_there(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}/v1"
    with ChatClient(settings(url, retries=2)) as client:
        failure = failed(ask(client))
        assert (failure.kind, failure.requests) == ("connection", 0)
        (line,) = client.probe()
        assert line.startswith(f"{url} cannot be reached: ConnectError")


@pytest.mark.parametrize("bad", [error(500), too_many(), dropped(), malformed(), late(9.0)])
def test_one_failure_is_got_over(bad: Behaviour) -> None:
    with ChatServer([bad, ok("fine")]) as server, ChatClient(settings(server, timeout_s=0.5)) as client:
        reply = replied(ask(client))
        assert (reply.text, reply.requests, len(server.log)) == ("fine", 2, 2)


@pytest.mark.parametrize("text", ["", '{"first_error": 99}', 'Sure! {"first_error": 1} Anything else?'])
def test_what_the_model_says_is_not_the_clients_business(text: str) -> None:
    with ChatServer(ok(text)) as server, ChatClient(settings(server)) as client:
        assert replied(ask(client)).text == text


def test_thirty_percent_failures_and_every_request_counted() -> None:
    bad = any_of(error(500), too_many(0.02), dropped(), malformed(), html(502), error(408))
    texts = [f"question {number}" for number in range(300)]
    with ChatServer(ok(str.upper), fail_share=0.3, fail_with=bad, seed=3) as server:
        with ChatClient(settings(server, retries=6, concurrency=32)) as client:
            outcomes = ask_all(client, texts)
            assert client.requests_sent == len(server.log) == sum(outcome.requests for outcome in outcomes)
        for text, outcome in zip(texts, outcomes, strict=True):
            if isinstance(outcome, Reply):
                assert outcome.text == text.upper()
            else:
                assert outcome.kind == "bad_reply"  # two bad bodies in a row end a call; nothing else does so soon
        assert server.counts()["ok"] == sum(isinstance(outcome, Reply) for outcome in outcomes) > 280


DATES = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:01 GMT"}


@pytest.mark.parametrize(("bad", "least"), [(too_many(0.4), 0.4), (too_many(1.0), 1.0), (error(429, "", DATES), 1.0)])
def test_retry_after_wins_over_the_backoff(bad: Behaviour, least: float) -> None:
    """Milliseconds, seconds, and a date by the server's own clock; the backoff alone is 0.05 s at most."""
    with ChatServer([bad, ok()]) as server, ChatClient(settings(server)) as client:
        replied(ask(client))
        first, second = server.log
        assert least <= second.time - first.time < least + 2.0


def test_a_server_error_may_say_retry_after_too() -> None:
    with ChatServer([too_many(0.3, status=503), ok()]) as server, ChatClient(settings(server)) as client:
        replied(ask(client))
        assert server.log[1].time - server.log[0].time >= 0.3


def test_the_deadline_cuts_a_request_off() -> None:
    with ChatServer(late(9.0)) as server, ChatClient(settings(server, timeout_s=5.0, deadline_s=0.3)) as client:
        failure = failed(ask(client))
        assert (failure.kind, failure.requests) == ("deadline", 1)
        assert 0.25 < failure.seconds < 2.0


def test_the_deadline_is_not_waited_for_when_the_next_try_comes_too_late() -> None:
    with ChatServer(too_many(3600.0)) as server, ChatClient(settings(server, deadline_s=5.0)) as client:
        failure = failed(ask(client))
        assert (failure.kind, failure.requests) == ("deadline", 1)
        assert failure.seconds < 2.0 and "429" in failure.what and "would come after 5 s" in failure.what


def test_waiting_for_a_place_does_not_count_against_the_limits() -> None:
    with ChatServer(latency_s=0.15) as server:
        with ChatClient(settings(server, concurrency=1, timeout_s=1.0, deadline_s=1.0)) as client:
            outcomes = ask_all(client, [str(number) for number in range(8)])  # 1.2 s one after the other
        assert all(isinstance(outcome, Reply) for outcome in outcomes)


def test_the_bound_on_concurrency_holds_over_all_servers_and_connections_are_reused() -> None:
    with ChatServer(latency_s=0.02) as one, ChatServer(latency_s=0.02) as two:
        with ChatClient(settings(one, two, concurrency=6)) as client:
            ask_all(client, [str(number) for number in range(120)])
        assert one.most_at_once + two.most_at_once <= 6
        assert one.connections + two.connections <= 6
        assert abs(len(one.log) - len(two.log)) <= 12 and len(one.log) + len(two.log) == 120


def test_more_places_than_connections_of_one_http_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    new = wire.Wire._new
    monkeypatch.setattr(wire, "SLICE", 4)
    monkeypatch.setattr(wire.Wire, "_new", lambda self, base: made.append(base) or new(self, base))
    with ChatServer(latency_s=0.1) as server, ChatClient(settings(server, concurrency=10)) as client:
        ask_all(client, [str(number) for number in range(60)])
        assert server.most_at_once == 10 and server.connections == 10
        replied(ask(client))
        assert server.connections == 10 and len(made) == 3


@pytest.mark.parametrize("bad", [error(500), too_many(60.0), dropped(), error(404), late(9.0)])
def test_a_failing_server_is_avoided(bad: Behaviour) -> None:
    """No call is lost, no call waits for the sick server, and it is asked now and then only."""
    with ChatServer(bad) as sick, ChatServer(ok("fine"), latency_s=0.01) as well:
        timeout_s = 0.3 if bad(no_request()).name == "late" else 5.0
        with ChatClient(settings(sick, well, concurrency=4, backoff_s=(1.0, 8.0), timeout_s=timeout_s)) as client:
            outcomes = ask_all(client, [str(number) for number in range(100)])
        assert [outcome.text for outcome in outcomes if isinstance(outcome, Reply)] == ["fine"] * 100
        assert 1 <= len(sick.log) <= 8


def test_a_server_that_comes_back_is_used_again() -> None:
    with ChatServer([error(500), ok()]) as one, ChatServer(latency_s=0.01) as two:
        with ChatClient(settings(one, two, concurrency=4)) as client:
            ask_all(client, [str(number) for number in range(100)])
        assert len(one.log) > 20


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LONGEST_BODY", 1 << 20)
    with ChatServer(ok("x" * (3 << 20))) as server, ChatClient(settings(server)) as client:
        failure = failed(ask(client))
        assert (failure.kind, failure.requests) == ("bad_reply", 2) and "more than 1 MiB" in failure.what


def test_probe_says_what_is_wrong_at_each_server() -> None:
    with (
        ChatServer() as fine,
        ChatServer(model="other") as other,
        ChatServer(key="k") as locked,
        ChatClient(settings(fine, other, locked)) as client,
    ):
        assert client.probe() == [
            f"{other.url} does not serve 'judge'; it serves 'other'",
            f"{locked.url}/models answered 401: wrong key",
        ]
        assert client.requests_sent == 0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(404), "/models answered 404, does the address end in /v1?"),
        (error(503, "loading model"), "/models answered 503: loading model"),
        (html(), "/models sent no list of models: <html>"),
        (raw('{"data": []}'), " does not serve 'judge'; it serves none"),
        (raw(json.dumps({"data": [{"id": str(n)} for n in range(7)]})), "serves '0', '1', '2', '3', '4' and 2 more"),
    ],
)
def test_probe_where_the_list_of_models_is_none(answer: Behaviour, says: str) -> None:
    with ChatServer() as server, ChatClient(settings(server)) as client:
        server.models = answer
        (line,) = client.probe()
        assert line.startswith(server.url) and says in line


def test_a_failure_is_a_value_on_any_loop() -> None:
    """`ask` may be awaited on a loop that is not the client's."""

    async def both(client: ChatClient) -> list[Reply | Failure]:
        request = ChatRequest((("user", "x"),))
        return await asyncio.gather(client.ask(request), client.ask(request))

    with ChatServer([ok("a"), error(400)]) as server, ChatClient(settings(server, concurrency=1)) as client:
        first, second = asyncio.run(both(client))
        assert replied(first).text == "a" and failed(second).kind == "refused"


def test_proxies_of_the_environment_are_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ChatServer(ok("by proxy")) as proxy, ChatServer(ok("straight")) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        with ChatClient(settings("http://judge.invalid/v1")) as client:
            assert replied(ask(client)).text == "by proxy"
        with ChatClient(settings(server)) as client:
            assert replied(ask(client)).text == "straight"


def test_a_proxy_that_cannot_be_used_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1:1")
    with ChatClient(settings("http://judge.invalid/v1", retries=1)) as client:
        failure = failed(ask(client))
        assert (failure.kind, failure.requests) == ("connection", 0) and "gopher" in failure.what
