"""Reads what a server sent: a chat completion, an error in whatever form, a list of models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The first choice of a chat completion; counts in tokens, 0 where the server is silent."""

    text: str
    finish_reason: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int


def read_answer(body: bytes) -> Answer | str:
    """The completion in `body`, or what is wrong with it in words (which may hold the server's own)."""
    found = read_json(body)
    if not isinstance(found, dict):
        return f"not a JSON object: {body[:1000].decode('utf-8', 'replace')}"
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        said = error_words(body)
        return f"no choices: {said}" if said else "no choices"
    message = choices[0].get("message")
    text = _content(message.get("content")) if isinstance(message, dict) else None
    if text is None:
        return "the first choice holds no message"
    reason = choices[0].get("finish_reason")
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else usage.get("prompt_cache_hit_tokens")
    return Answer(
        text=clean(text),
        finish_reason=reason if isinstance(reason, str) else None,
        input_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(cached),
        output_tokens=_count(usage.get("completion_tokens")),
    )


def read_pooling(body: bytes) -> Answer | str:
    """What vLLM's POST /pooling sent for one input: `text` is the JSON of its `data`, or what is wrong in words."""
    found = read_json(body)
    rows = found.get("data") if isinstance(found, dict) else None
    first = rows[0] if isinstance(rows, list) and rows else None
    pooled = first.get("data") if isinstance(first, dict) else None
    if not isinstance(found, dict) or not isinstance(pooled, list):
        return f"no pooled data: {body[:1000].decode('utf-8', 'replace')}"
    usage = found.get("usage")
    tokens = _count(usage.get("prompt_tokens")) if isinstance(usage, dict) else 0
    return Answer(json.dumps(pooled), None, tokens, 0, 0)


def error_words(body: bytes) -> str:
    """What an error's body says: OpenAI's, FastAPI's and plain forms; else its beginning as it is."""
    found = read_json(body)
    if isinstance(found, dict):
        said = found.get("error", found.get("message", found.get("detail")))
        if isinstance(said, dict):
            said = said.get("message", said)
        if said:
            return said if isinstance(said, str) else json.dumps(said)
    return body.decode("utf-8", "replace")


def error_code(body: bytes) -> str | None:
    """The machine-readable code of an error in OpenAI's form."""
    found = read_json(body)
    error = found.get("error") if isinstance(found, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None


def read_models(body: bytes) -> list[str] | None:
    """The names in an answer to GET /models, None when it is no list of models."""
    found = read_json(body)
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        return None
    return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]


def read_room(body: bytes, model: str) -> int | None:
    """Tokens of prompt and answer together that the model is served with; vLLM says it, others may not."""
    found = read_json(body)
    rows = found.get("data") if isinstance(found, dict) else None
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("id") == model:
            return _count(row.get("max_model_len")) or None
    return None


def read_json(body: bytes) -> Any:
    """The value, None when it is not JSON (or nested deeper than any answer is)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def clean(text: str) -> str:
    """Without the halves of surrogate pairs, which JSON can spell and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _content(content: Any) -> str | None:
    """A message's text: a string, parts with texts, or "" where only something else was sent (thoughts, a refusal)."""
    if content is None:
        return ""
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
