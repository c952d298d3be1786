"""What a process reward judge has once its model is open, here or behind a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sgpo_cli.judging.process_reward.batches import Scored
from sgpo_cli.judging.process_reward.encode import Row, Writer


class RowScorer(Protocol):
    """Scores rows."""

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """The scores of each row's steps, in order; words for a row that has none."""
        ...


@dataclass(slots=True)
class Opened:
    """A model ready to score: how responses are written, how they are scored, and what does not fit.

    `limit`: longest row in tokens; `vocabulary`: how many token ids the model knows.
    """

    writer: Writer
    scorer: RowScorer
    limit: int
    vocabulary: int
