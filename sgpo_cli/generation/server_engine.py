"""Sampling from any OpenAI-compatible server: chat completions, many at once, retried (see endpoint/).

The server renders the messages by its own chat template and stops by its own rules: it must be started with the
tokenizer that is measured. Plain prompts become one user message.
"""

from __future__ import annotations

from collections.abc import Sequence

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import ChatRequest, Failure, Reply, ServerSettings
from sgpo_cli.generation.engine import Completion, Seed
from sgpo_cli.generation.prompts import Prompt


class ServerEngine:
    """An `Engine`; a context manager that closes its connections."""

    name = "server"

    def __init__(self, settings: ServerSettings) -> None:
        """Raises `UserError` for settings that no request can be sent with."""
        self._client = ChatClient(settings)
        self._urls = ", ".join(settings.urls)

    def __enter__(self) -> ServerEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def check(self) -> None:
        """Raises `UserError` when a server is not there or does not serve the model."""
        wrong = self._client.probe()
        if wrong:
            raise UserError("; ".join(wrong), fix="start it, or give its address and its model's name as it serves it")

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: Seed,
        top_k: int | None = None,
    ) -> list[Completion]:
        """Raises `RunFailed` when calls fail for a reason that may pass, or when every prompt is refused."""
        seeds = [seed + row for row in range(len(prompts))] if isinstance(seed, int) else list(seed)
        settings: dict[str, float] = {"max_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p}
        if top_k:
            settings["top_k"] = top_k  # not OpenAI's; vLLM and SGLang take it
        requests = [
            ChatRequest(_messages(prompt), {**settings, "seed": own})
            for prompt, own in zip(prompts, seeds, strict=True)
        ]
        replies = self._ask(requests)
        failures = [reply for reply in replies if isinstance(reply, Failure)]
        lasting = [failure for failure in failures if failure.kind == "refused"]
        if len(lasting) < len(failures) or (lasting and len(lasting) == len(replies)):
            first = (
                next(one for one in failures if one.kind != "refused") if len(lasting) < len(failures) else lasting[0]
            )
            raise RunFailed(
                f"{len(failures)} of {len(replies)} calls to {self._urls} failed: {first.kind}: {first.what}",
                fix="the samples so far are kept; mend the server and give the same command",
            )
        return [_completion(reply) for reply in replies]

    def _ask(self, requests: Sequence[ChatRequest]) -> list[Reply | Failure]:
        under_way = [self._client.spawn(self._client.ask(request)) for request in requests]
        try:
            return [call.result() for call in under_way]
        except BaseException:
            for call in under_way:
                call.cancel()
            raise


def _messages(prompt: Prompt) -> tuple[tuple[str, str], ...]:
    if isinstance(prompt, str):
        return (("user", prompt),)
    return tuple((message["role"], message["content"]) for message in prompt)


def _completion(reply: Reply | Failure) -> Completion:
    if isinstance(reply, Failure):
        return Completion("", (), False, f"{reply.kind}: {reply.what}")
    return Completion(reply.text, (), reply.finish_reason == "length")
