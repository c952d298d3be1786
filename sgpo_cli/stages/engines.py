"""Opens the engine that an evaluation samples with, as the stage's options say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgpo_cli.stages.context import StageContext

if TYPE_CHECKING:
    from sgpo_cli.generation.engine import Engine
    from sgpo_cli.generation.prompts import Prompt

_BATCH_ROWS = 256
_BATCH_TOKENS = 65536
_SCHEDULED_ROWS = 1024
"""Of an engine that schedules by itself (vLLM, a server): samples a kill may cost."""


@dataclass(frozen=True)
class Opened:
    """The engine, how a problem's text is asked, and how many samples of a length make a batch."""

    engine: Engine
    ask: Callable[[str], Prompt]
    batch_size: Callable[[int], int]


def open_eval_engine(context: StageContext, stack: ExitStack) -> Opened:
    """Raises `UserError` for a model, server or library that is not there, and for a missing chat template."""
    wanted = context.options.get("engine") or eval_engine(context.recipe.generation.engine)
    if wanted == "server":
        return _server(context, stack)
    if wanted == "vllm":
        return _vllm(context)
    from sgpo_cli.generation.prompts import refuse_missing_template
    from sgpo_cli.stages.policy import open_engine

    engine, ask = open_engine(context)
    refuse_missing_template(
        str(context.policy()), has_template=engine.tokenizer.chat_template is not None, chat=context.recipe.model.chat
    )
    return Opened(engine, ask, batch_rows)


def eval_engine(rollouts: str) -> str:
    """What draws the samples of a recipe's benchmarks: vLLM in one process where rollouts are vLLM's."""
    return "transformers" if rollouts == "transformers" else "vllm"


def batch_rows(tokens: int) -> int:
    """Samples of so many tokens that transformers draws side by side."""
    return max(1, min(_BATCH_ROWS, _BATCH_TOKENS // max(1, tokens)))


def _vllm(context: StageContext) -> Opened:
    from sgpo_cli.generation.load import generation_stop_ids, load_tokenizer
    from sgpo_cli.generation.prompts import refuse_missing_template, render
    from sgpo_cli.generation.vllm_engine import VllmEngine

    model, path = context.recipe.model, context.policy()
    revision, trusted = model.revision, model.trust_remote_code
    tokenizer = load_tokenizer(path, chat_template=model.chat_template, revision=revision, trust_remote_code=trusted)
    refuse_missing_template(str(path), has_template=tokenizer.chat_template is not None, chat=model.chat)
    engine = VllmEngine(
        path,
        tokenizer,
        dtype=model.dtype,
        revision=revision,
        trust_remote_code=trusted,
        stop_ids=generation_stop_ids(path, revision=revision),
    )

    def ask(text: str) -> Prompt:
        return render(text, tokenizer, chat=model.chat, system=model.system_prompt)

    return Opened(engine, ask, lambda _: _SCHEDULED_ROWS)


def _server(context: StageContext, stack: ExitStack) -> Opened:
    from sgpo_cli.generation.endpoint.types import ServerSettings
    from sgpo_cli.generation.server_engine import ServerEngine

    told = context.options
    settings = ServerSettings(
        urls=tuple(told["servers"]),
        model=str(told["model"]),
        key_env=told.get("key_env"),
        # A long answer takes minutes, and a busy server more of them.
        timeout_s=1800.0,
        deadline_s=7200.0,
    )
    engine = stack.enter_context(ServerEngine(settings))
    engine.check()
    return Opened(engine, str, lambda _: _SCHEDULED_ROWS // 4)
