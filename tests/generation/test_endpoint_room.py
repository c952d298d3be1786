"""The probe and what a server says it can hold: found before anything is asked, not by refusals afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import ServerSettings
from tests.servers.behaviours import raw
from tests.servers.chat_server import ChatServer


def probed(answer_tokens: int, **told: Any) -> list[str]:
    """What the probe says of a server that lists its model so, without the address."""
    with ChatServer() as server:
        server.models = raw(json.dumps({"data": [{"id": "a", "max_model_len": 1}, {"id": "judge", **told}]}))
        with ChatClient(ServerSettings((server.url,), "judge", answer_tokens=answer_tokens)) as client:
            return [line.replace(server.url, "URL") for line in client.probe()]


def test_an_answer_as_long_as_all_that_the_server_holds() -> None:
    """vLLM refuses each such request with 400, for a reason that might be the request's own."""
    says = "URL holds 4096 tokens of prompt and answer together, and max_tokens asks for 4096: no room for a prompt"
    assert probed(4096, max_model_len=4096) == [says]
    assert probed(4095, max_model_len=4096) == []
    assert probed(0, max_model_len=4096) == []


@pytest.mark.parametrize("told", [{}, {"max_model_len": None}, {"max_model_len": "4096"}, {"max_model_len": 0}])
def test_a_server_that_does_not_say_it(told: dict[str, Any]) -> None:
    assert probed(1 << 20, **told) == []
