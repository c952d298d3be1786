"""The key: sent to the server, and nowhere else."""

from __future__ import annotations

import base64
import logging
from urllib.parse import quote

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.secret import Secret, read_key
from tests.generation.endpoint_help import NEVER, ask, failed, replied, settings
from tests.servers.behaviours import echo_key, error, ok, raw, sometimes
from tests.servers.chat_server import ChatServer

KEY = "sk-proj-1a2b/3c4d+5e6f=7g8h"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", f" {KEY}\n")


def test_a_cut_key_of_odd_characters_is_struck_whole() -> None:
    key = 'sk-a"b\\c/d&e<f>'
    assert Secret(key).words(f"<html>forbidden Bearer {key}</html>") == "<html>forbidden ***</html>"


def test_it_is_sent() -> None:
    with ChatServer(key=KEY) as server, ChatClient(settings(server, key_env="JUDGE_KEY")) as client:
        replied(ask(client))
        assert client.probe() == []


@pytest.mark.parametrize(
    "body",
    [
        f"key {KEY}",
        f"Authorization: Bearer {KEY}",
        f"cut {KEY[:12]}...",
        quote(KEY, safe=""),
        KEY.replace("/", "\\/"),
        base64.b64encode(KEY.encode()).decode(),
        "<b>" + "x" * 290 + f" {KEY}</b>",  # at the place where long texts are cut
    ],
)
@pytest.mark.parametrize("status", [200, 401, 500])
def test_it_is_in_no_error_text(body: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ChatServer(raw(body, status, "text/plain")) as server:
        server.models = raw(body, status, "text/plain")
        with ChatClient(settings(server, key_env="JUDGE_KEY", retries=1)) as client:
            texts = [failed(ask(client)).what, *client.probe(), repr(client), caplog.text, str(vars(client))]
    assert any("***" in text for text in texts)
    for text in texts:
        for part in ("1a2b", "7g8h", quote(KEY, safe="")[8:], base64.b64encode(KEY.encode()).decode()[:12]):
            assert part not in text, text


def test_an_echoed_header_is_hidden_in_the_breakers_words_too() -> None:
    with ChatServer(echo_key(401)) as server, ChatClient(settings(server, key_env="JUDGE_KEY")) as client:
        for _ in range(4):
            what = failed(ask(client)).what
            assert "1a2b" not in what and "***" in what
        assert client.breaker_open and len(server.log) == 3


def test_a_models_answer_keeps_everything_but_the_key() -> None:
    with (
        ChatServer(ok(f"Bearer of news: {KEY[:9]} {KEY}")) as server,
        ChatClient(settings(server, key_env="JUDGE_KEY")) as client,
    ):
        assert replied(ask(client)).text == f"Bearer of news: {KEY[:9]} ***"


def test_a_key_that_is_none_leaves_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local servers are often given the key EMPTY."""
    monkeypatch.setenv("JUDGE_KEY", "EMPTY")
    with (
        ChatServer(ok("the set is EMPTY"), key="EMPTY") as server,
        ChatClient(settings(server, key_env="JUDGE_KEY")) as client,
    ):
        assert replied(ask(client)).text == "the set is EMPTY"


@pytest.mark.parametrize("value", [None, "", "  \n", "a b", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY") if value is None else monkeypatch.setattr("os.environ", {"JUDGE_KEY": value})
    with pytest.raises(UserError, match="JUDGE_KEY") as raised:
        ChatClient(settings("http://localhost:1/v1", key_env="JUDGE_KEY"))
    assert raised.value.fix and (not value or not value.strip() or value not in str(raised.value))


def test_texts_are_one_printable_line() -> None:
    secret = Secret(None)
    assert secret.words("a\n\tb\x1b[31m c") == "a b?[31m c"
    assert len(secret.words("x" * 1000)) == 300
    assert secret.header() == {} and repr(read_key("JUDGE_KEY")) == "Secret(***)"


def test_error_json_that_holds_the_key_nested() -> None:
    behaviour = raw('{"error": {"headers": {"authorization": "Bearer ' + KEY + '"}}}', 403)
    with (
        ChatServer(sometimes(1.0, behaviour, error(500))) as server,
        ChatClient(settings(server, key_env="JUDGE_KEY", breaker=NEVER)) as client,
    ):
        assert "1a2b" not in failed(ask(client)).what
