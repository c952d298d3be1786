"""A process reward model behind vLLM's pooling interface: the same verdicts as here, and failures counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from sgpo_cli.errors import RecipeError
from sgpo_cli.judging.process_reward.encode import Row
from sgpo_cli.judging.process_reward.open import from_options
from sgpo_cli.judging.process_reward.qwen_head import QwenProcessReward
from sgpo_cli.judging.process_reward.server import read_scores
from sgpo_cli.judging.usage import Metered, Remote
from sgpo_cli.judging.verdict import Solution
from sgpo_cli.recipe.cards import load_judge_card
from tests.judging.process_reward_tiny import qwen_prm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qwen_prm(tmp_path_factory.mktemp("served") / "qwen")


class Pooling:
    """A server that scores as vLLM does; `form`: a row for every step tag, or logits for every token."""

    def __init__(self, folder: Path) -> None:
        self.model = QwenProcessReward.from_pretrained(folder).eval()
        self.name, self.form, self.tag = str(folder), "tags", -1
        self.asked: list[dict[str, Any]] = []
        self.status = 200

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        ids = body["input"]
        row = torch.tensor([ids])
        with torch.no_grad():
            logits = self.model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0].float()
        rows = logits if self.form == "tokens" else logits.softmax(-1)[row[0] == self.tag]
        usage = {"prompt_tokens": len(ids)}
        return {"object": "list", "data": [{"object": "pooling", "index": 0, "data": rows.tolist()}], "usage": usage}


@contextmanager
def serving(pooling: Pooling) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": pooling.name}]} if self.path == "/v1/models" else None)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(pooling.answer(body) if self.path == "/pooling" and pooling.status == 200 else None)

        def _send(self, told: dict[str, Any] | None) -> None:
            data = json.dumps(told or {"error": {"message": "no"}}).encode()
            self.send_response(200 if told else max(404, pooling.status))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


SOLUTIONS = [
    Solution("What is 3 + 4?", ("3 + 4 = 7", "so the answer is 7")),
    Solution("Halve 24", ("the total is twelve", "then we halve it", "so 6")),
    Solution("?", ("<extra_0>", "one")),  # a step that spells the tag is read as text
    Solution("?", ()),
]


def test_it_says_what_the_model_says_here(folder: Path) -> None:
    pooling = Pooling(folder)
    here = from_options({"model": str(folder), "threshold": 0.5})
    wanted = here.judge(SOLUTIONS)
    with serving(pooling) as url:
        served = from_options({"model": str(folder), "threshold": 0.5, "device": "server", "endpoints": [url]})
        pooling.tag = served._row(SOLUTIONS[0])[0].ids[-1]
        assert isinstance(served, Remote) and isinstance(served, Metered)
        assert served.probe() == []
        for form in ("tags", "tokens"):
            pooling.form = form
            assert [v.first_error for v in served.judge(SOLUTIONS)] == [v.first_error for v in wanted]
            for solution in SOLUTIONS[:3]:
                assert served.scores(solution) == pytest.approx(here.scores(solution), abs=1e-5)
        usage = served.take_usage()
        assert usage.calls == len(pooling.asked) == 2 * (3 + 3) and usage.failed == 0
        assert usage.input_tokens == sum(len(body["input"]) for body in pooling.asked)
        assert all(body["model"] == str(folder) and "messages" not in body for body in pooling.asked)

        pooling.status = 422  # refused: an abstention each, counted
        refused = served.judge(SOLUTIONS)
        assert [v.abstained for v in refused] == [True, True, True, False]
        assert "422" in str(refused[0].reason) and served.take_usage().failed == 3
        pooling.name = "another"
        assert "does not serve" in served.probe()[0]
        served.close()


def test_answers_of_another_shape_are_no_scores() -> None:
    row = Row((5, 6, 7, 8), (1, 3))
    assert read_scores([[0.2, 0.8], [0.6, 0.4]], row, 1) == [0.8, 0.4]
    assert read_scores([[0.2, 0.8], [0.6, 0.4]], row, 0) == [0.2, 0.6]
    assert read_scores([[9, 9], [0.0, 0.0], [9, 9], [1.0, 1.0]], row, 1) == pytest.approx([0.5, 0.5])
    for wrong in (
        [[0.5, 0.5]],
        [0.1, 0.9],
        [[0.5], [0.5]],
        [[0.5, "x"], [0.1, 0.9]],
        {"a": 1},
        [[0.1, float("nan")]] * 2,
    ):
        assert isinstance(read_scores(wrong, row, 1), str), wrong


def test_the_card_says_where_the_server_is(here: Path) -> None:
    card = here / "judges" / "mine.yaml"
    card.parent.mkdir()
    card.write_text("kind: process_reward\nmodel: a/b\ndevice: server\n")
    with pytest.raises(RecipeError) as caught:
        load_judge_card("mine")
    assert "device server needs the address" in str(caught.value.mistakes[0].what)
    card.write_text("kind: process_reward\nmodel: a/b\nendpoints: [localhost]\n")
    with pytest.raises(RecipeError) as caught:
        load_judge_card("mine")
    assert {mistake.what.split(" ")[0] for mistake in caught.value.mistakes} == {"endpoints", "endpoints.0:"}
