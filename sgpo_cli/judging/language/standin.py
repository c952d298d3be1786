"""A chat server of our own on a loopback port, for smoke runs: its verdicts are valid and mean nothing.

What it answers depends on the prompt and on nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_STEP = re.compile(r"^\[Step (\d+)\]$", re.MULTILINE)


def answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A verdict on the steps of a prompt: about half the time no error, else some step."""
    text = json.dumps(messages)
    steps = [int(number) for message in messages for number in _STEP.findall(str(message.get("content", "")))]
    draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    first_error = 0 if draw % 2 == 0 or not steps else 1 + (draw >> 1) % max(steps)
    return {"check": "a stand-in checked nothing", "first_error": first_error}


class StandIn:
    """Serves from its making until `close`, in daemon threads."""

    def __init__(self, model: str = "standin") -> None:
        self._server = _Server(model)
        # 0.05 s: how long `close` may wait for it to notice.
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="stand-in", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        """May be called twice."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one write
    server: _Server

    def do_GET(self) -> None:
        if self.path.endswith("/models"):
            self._send({"object": "list", "data": [{"id": self.server.model, "object": "model"}]})
        else:
            self._send({"error": {"message": "no such page"}}, HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            messages = json.loads(data)["messages"]
            text = json.dumps(answer(messages))
            read, written = len(json.dumps(messages)) // 4, len(text) // 4  # tokens, roughly
        except (ValueError, LookupError, TypeError, AttributeError):
            self._send({"error": {"message": "not a chat request"}}, HTTPStatus.BAD_REQUEST)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        made = {"id": "standin", "object": "chat.completion", "model": self.server.model}
        self._send({**made, "choices": [choice], "usage": usage})

    def _send(self, told: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
