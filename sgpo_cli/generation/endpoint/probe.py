"""Whether a server is there and serves the model, before anything is asked of it."""

from __future__ import annotations

from sgpo_cli.generation.endpoint.answer import error_words, read_models, read_room
from sgpo_cli.generation.endpoint.secret import Secret
from sgpo_cli.generation.endpoint.wire import NoResponse, Wire

SHOWN = 5
"""Names of models that a message lists."""


async def probe_one(
    wire: Wire, url: str, model: str, secret: Secret, timeout_s: float, answer_tokens: int = 0
) -> str | None:
    """What is wrong with this server, in one line without secrets; None when it serves the model.

    `answer_tokens`: the longest answer that will be asked for; where it leaves no room for a prompt, every request
    would be refused.
    """
    got = await wire.request("GET", url, "/models", None, timeout_s, lambda: None)
    if isinstance(got, NoResponse):
        return secret.words(f"{url} cannot be reached: {got.what}")
    if got.status != 200:
        hint = ", does the address end in /v1?" if got.status in (404, 405) else f": {error_words(got.body)}"
        return secret.words(f"{url}/models answered {got.status}{hint}")
    served = read_models(got.body)
    if served is None:
        return secret.words(f"{url}/models sent no list of models: {error_words(got.body)}")
    if model in served:
        room = read_room(got.body, model)
        if room is None or room > answer_tokens:
            return None
        what = f"{url} holds {room} tokens of prompt and answer together, and max_tokens asks for {answer_tokens}"
        return secret.words(f"{what}: no room for a prompt")
    more = f" and {len(served) - SHOWN} more" if len(served) > SHOWN else ""
    names = ", ".join(repr(name) for name in served[:SHOWN]) + more if served else "none"
    return secret.words(f"{url} does not serve {model!r}; it serves {names}")
