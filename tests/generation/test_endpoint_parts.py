"""The client's parts that need no server: waiting times, answers, addresses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.errors import UserError
from sgpo_cli.generation.endpoint.addresses import Addresses, checked, is_loopback
from sgpo_cli.generation.endpoint.answer import Answer, error_words, read_answer
from sgpo_cli.generation.endpoint.backoff import delay, retry_after, spread, words
from sgpo_cli.generation.endpoint.client import ChatClient
from tests.generation.endpoint_help import settings


def test_the_backoff_doubles_up_to_its_cap_with_jitter() -> None:
    for number, longest in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (10_000, 30.0)]:
        drawn = [delay(number, (0.5, 30.0)) for _ in range(200)]
        assert longest / 2 <= min(drawn) < max(drawn) <= longest
        assert max(drawn) - min(drawn) > longest / 4
    assert delay(1, (0.0, 0.0)) == 0.0


@given(st.floats(0, 1e6))
def test_nobody_comes_back_before_the_server_said(told_s: float) -> None:
    assert told_s <= spread(told_s, (0.5, 30.0)) <= told_s + 0.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 -0000", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date_by_our_clock() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    found = retry_after({"retry-after": then})
    assert found is not None and 57 < found <= 60


def test_seconds_in_words() -> None:
    assert [words(value) for value in (0.25, 3.0, 12.3, 3600.0)] == ["0.25 s", "3 s", "12 s", "3600 s"]


def body(**changes: Any) -> bytes:
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    return json.dumps(whole | changes).encode()


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (body(), Answer("hi", "stop", 3, 0, 0)),
        (body(usage=None), Answer("hi", "stop", 0, 0, 0)),
        (body(usage={"prompt_tokens": True, "completion_tokens": -1}), Answer("hi", "stop", 0, 0, 0)),
        (body(usage={"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}), Answer("hi", "stop", 9, 4, 0)),
        (body(usage={"prompt_tokens_details": None, "completion_tokens": 5}), Answer("hi", "stop", 0, 0, 5)),
        (body(choices=[{"message": {"content": None}, "finish_reason": "length"}]), Answer("", "length", 3, 0, 0)),
        (body(choices=[{"message": {"refusal": "no"}}]), Answer("", None, 3, 0, 0)),
        (body(choices=[{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}, 3]}}]),
         Answer("ab", None, 3, 0, 0)),
        (body(choices=[{"message": {"content": "x\ud800y"}}]), Answer("x?y", None, 3, 0, 0)),
    ],
)  # fmt: skip
def test_completions(raw: bytes, answer: Answer) -> None:
    assert read_answer(raw) == answer


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"choices": ' + b"9" * 10_000 + b"}",
        body(choices=[]),
        body(choices=None),
        body(choices=["hi"]),
        body(choices=[{"message": "hi"}]),
        body(choices=[{"message": {"content": 7}}]),
        body(choices=[{"text": "hi"}]),
    ],
)
def test_what_is_no_completion(raw: bytes) -> None:
    assert isinstance(read_answer(raw), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "error", "text"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_nothing_a_server_sends_raises(value: Any) -> None:
    raw = json.dumps(value).encode()
    assert isinstance(read_answer(raw), Answer | str)
    assert isinstance(error_words(raw), str)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"error": {"message": "m", "code": 3}}', "m"),
        (b'{"error": "plain"}', "plain"),
        (b'{"detail": [{"loc": ["body"]}]}', '[{"loc": ["body"]}]'),
        (b'{"message": "m"}', "m"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"text \xff", "text �"),
    ],
)
def test_words_of_an_error(raw: bytes, said: str) -> None:
    assert error_words(raw) == said


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        (" https://api.example.com/v1 ", "https://api.example.com/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://10.0.0.1", "http://10.0.0.1"),
    ],
)
def test_addresses_that_can_be_asked(url: str, found: str) -> None:
    assert checked(url) == found


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:8000/v1", "is not one"),
        ("ftp://host/v1", "is not one"),
        ("http:///v1", "is not one"),
        ("http://host:99999/v1", "is not one"),
        ("http://host:port/v1", "is not one"),
        ("http://[::1/v1", "is not one"),
        ("", "is not one"),
        ("http://user:hunter2@host/v1", "holds more than an address"),
        ("http://host/v1?key=hunter2", "holds more than an address"),
        ("user:hunter2@host/v1", "is not one"),
        ("http://host/v1/chat/completions", "before /chat/completions\n  http://host/v1"),
    ],
)
def test_addresses_that_cannot(url: str, says: str) -> None:
    with pytest.raises(UserError) as raised:
        ChatClient(settings(url))
    assert says in str(raised.value) and "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [{"concurrency": 0}, {"retries": -1}, {"timeout_s": 0}, {"deadline_s": -1.0}, {"backoff_s": (2.0, 1.0)}],
)
def test_limits_that_make_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        ChatClient(settings("http://localhost:1/v1", **changes))
    with pytest.raises(UserError, match="at least one server"):
        ChatClient(settings())


def test_which_hosts_no_proxy_stands_before() -> None:
    urls = ["http://localhost:1", "http://127.0.0.9/v1", "http://[::1]/v1", "http://10.0.0.1/v1", "https://a.b/v1"]
    assert [is_loopback(url) for url in urls] == [True, True, True, False, False]


def test_the_next_server_is_the_least_busy_of_those_that_work() -> None:
    table = Addresses(["a", "b", "c"])
    a, b, c = table.all
    assert [table.pick((), 0.0).url for _ in range(6)] == ["a", "b", "c"] * 2
    a.in_flight, b.in_flight = 2, 1
    assert table.pick((), 0.0) is c
    c.failures, c.avoid_until = 1, 10.0
    assert table.pick((), 0.0) is b
    assert table.pick({b}, 0.0) is a and table.another({b}, 0.0) and not table.another({a, b}, 0.0)
    assert table.pick((), 11.0) is c  # one request at a time after a failure
    c.in_flight, b.in_flight = 1, 2
    assert table.pick((), 11.0) is not c
    for one in table.all:
        one.avoid_until = 20.0
    b.avoid_until = 15.0
    assert table.pick((), 12.0) is b  # none works: the one that may work first
