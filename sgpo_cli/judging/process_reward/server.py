"""Scores from a process reward model behind vLLM's pooling interface: `vllm serve MODEL`, POST /pooling.

The rows are encoded here, so the server needs no chat template and nothing a step says can move a position. A server
gives one row of class shares for every step tag (how vLLM pools Qwen2.5-Math-PRM and, told to, Math-Shepherd), or one
for every token, of which those at the steps' ends are taken; logits are turned into shares.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import Any

from sgpo_cli.generation.endpoint.client import ChatClient
from sgpo_cli.generation.endpoint.types import ChatRequest, Failure, ServerSettings
from sgpo_cli.generation.load import load_tokenizer
from sgpo_cli.judging.language.meter import Meter
from sgpo_cli.judging.process_reward.batches import Scored
from sgpo_cli.judging.process_reward.encode import WRITERS, Row
from sgpo_cli.judging.process_reward.judge import ProcessRewardJudge
from sgpo_cli.judging.process_reward.opened import Opened
from sgpo_cli.judging.usage import Usage
from sgpo_cli.recipe.judgecards import ProcessRewardCard

_SUM = 1e-3
"""How far shares may be from adding up to 1: servers round."""


class ServerScorer:
    """Scores rows by asking a server, many at once."""

    def __init__(self, client: ChatClient, meter: Meter, good_label: int) -> None:
        self._client = client
        self._meter = meter
        self._good = good_label

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """The scores of each row's steps, in order; words for a row that the server did not answer for."""
        return self._client.spawn(self._all(rows)).result()

    async def _all(self, rows: Sequence[Row]) -> list[Scored]:
        return list(await asyncio.gather(*(self._one(row) for row in rows)))

    async def _one(self, row: Row) -> Scored:
        answer = await self._client.ask(ChatRequest((), {"input": list(row.ids)}))
        self._meter.called(answer)
        if isinstance(answer, Failure):
            self._meter.count(failed=1)
            return f"the judge's server: {answer.what}"
        found = read_scores(json.loads(answer.text), row, self._good)
        if isinstance(found, str):
            self._meter.count(failed=1)
        return found


def read_scores(pooled: Any, row: Row, good: int) -> Scored:
    """Share of the good class at each step, from a row of classes a step or a token; words when it is neither."""
    steps, tokens = len(row.positions), len(row.ids)
    if not isinstance(pooled, list) or len(pooled) not in (steps, tokens):
        count = len(pooled) if isinstance(pooled, list) else 0
        return f"the judge's server sent {count} rows for {steps} steps and {tokens} tokens"
    taken = pooled if len(pooled) == steps else [pooled[at] for at in row.positions]
    scores = []
    for classes in taken:
        if not isinstance(classes, list) or len(classes) <= good or not all(_number(value) for value in classes):
            return f"the judge's server sent no classes for a step: {classes!r}"[:200]
        scores.append(_shares([float(value) for value in classes])[good])
    return scores


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shares(classes: list[float]) -> list[float]:
    """Shares as they are, logits through the softmax."""
    if min(classes) >= 0 and abs(sum(classes) - 1) <= _SUM:
        return classes
    top = max(classes)
    powers = [math.exp(value - top) for value in classes]
    return [power / sum(powers) for power in powers]


class ServedProcessRewardJudge(ProcessRewardJudge):
    """The judge over servers; metered, and asked ahead of need. Equal questions are asked again: it is one pass."""

    def __init__(self, card: ProcessRewardCard) -> None:
        super().__init__(card)
        self._meter = Meter()
        self._client = ChatClient(
            ServerSettings(
                urls=tuple(card.endpoints or ()),
                model=card.model,
                key_env=card.key_env,
                concurrency=card.concurrency,
                timeout_s=card.timeout_s,
                deadline_s=5 * card.timeout_s,
                api="pooling",
            )
        )

    def probe(self) -> list[str]:
        """What is wrong with its servers, a line each."""
        return self._client.probe()

    def take_usage(self) -> Usage:
        """What was asked since the last call of this."""
        return self._meter.take()

    def close(self) -> None:
        self._client.close()

    def _open(self) -> Opened:
        card = self.card
        tokenizer = load_tokenizer(card.model, revision=card.revision, trust_remote_code=card.trust_remote_code)
        return Opened(
            writer=WRITERS[card.style](tokenizer, card),
            scorer=ServerScorer(self._client, self._meter, 0 if card.style == "plus_minus" else card.good_label),
            limit=card.max_length,
            vocabulary=len(tokenizer),
        )
