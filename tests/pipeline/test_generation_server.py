"""A server for rollouts: an address that answers, before anything is paid for, and TRL told where it is."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sgpo_cli.errors import RecipeError, UserError
from sgpo_cli.pipeline.preflight import check_engine
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe


class Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Health) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def recipe(*overrides: str) -> Recipe:
    return load_recipe("tiny_sgpo", ["generation.engine=vllm_server", *overrides]).recipe


def test_a_server_needs_an_address_and_an_address_needs_a_server() -> None:
    with pytest.raises(RecipeError, match=r"needs generation\.server") as caught:
        recipe()
    assert "vllm serve" in str(caught.value) and "nccl" in str(caught.value)
    with pytest.raises(RecipeError, match="is no address"):
        recipe("generation.server=localhost")
    with pytest.raises(RecipeError, match=r"generation.server does nothing: generation.engine is transformers"):
        load_recipe("tiny_sgpo", ["generation.server=http://localhost:8000"])


def test_a_silent_server_is_found_before_anything_runs(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgpo_cli.pipeline.preflight.missing_engine", lambda _: None)
    address = f"http://127.0.0.1:{server.server_port}"
    check_engine(recipe(f"generation.server={address}"))
    monkeypatch.setattr(Health, "status", 503)
    with pytest.raises(UserError, match="503"):
        check_engine(recipe(f"generation.server={address}"))
    with pytest.raises(UserError, match=r"nothing answers at http://127\.0\.0\.1:9"):
        check_engine(recipe("generation.server=http://127.0.0.1:9"))


def test_trl_is_told_where_the_server_is(tmp_path: Path) -> None:
    import torch

    from sgpo_cli.training.settings import grpo_config

    config = grpo_config(
        recipe("generation.server=http://127.0.0.1:8123", "generation.server_timeout=7"), tmp_path, [1.0], torch.float32
    )
    assert config.use_vllm and config.vllm_mode == "server"
    assert config.vllm_server_base_url == "http://127.0.0.1:8123" and config.vllm_server_timeout == 7.0
