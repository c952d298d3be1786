"""Rows in batches: sorted by length, bounded in tokens with padding, and halved where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sgpo_cli.judging.process_reward.encode import Row

Scored = list[float] | str
"""The score of each step of a row, or why there is none."""


class OutOfMemory(Exception):
    """One batch did not fit; what it held is free again."""


def batched(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices of rows of these lengths in batches of at most `tokens` tokens, each row as long as its batch's longest.

    Longest first: what does not fit is found at once. A row of more than `tokens` is a batch by itself.
    """
    batches: list[list[int]] = []
    width = 0
    for index in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if batches and (len(batches[-1]) + 1) * width <= tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
            width = lengths[index]
    return batches


class Scorer:
    """Scores rows by `forward`, which takes a batch and may raise `OutOfMemory`."""

    def __init__(self, forward: Callable[[Sequence[Row]], list[list[float]]], batch_tokens: int) -> None:
        self._forward = forward
        self.batch_tokens = batch_tokens
        """Shrinks to half of what did not fit, and stays there: memory that was short will be short again."""

    def score(self, rows: Sequence[Row]) -> list[Scored]:
        """The scores of each row's steps, in order; words for a row that does not fit even by itself."""
        found: list[Scored] = [f"out of memory with {len(row.ids)} tokens" for row in rows]
        waiting = list(range(len(rows)))
        while waiting:
            batch = batched([len(rows[at].ids) for at in waiting], self.batch_tokens)[0]
            indices = [waiting[at] for at in batch]
            scores = self._try([rows[at] for at in indices])
            if scores is None and len(indices) > 1:
                width = max(len(rows[at].ids) for at in indices)
                self.batch_tokens = max(1, len(indices) * width // 2)
                continue
            for at, row_scores in zip(indices, scores or [], strict=scores is not None):
                found[at] = row_scores
            done = set(indices)
            waiting = [at for at in waiting if at not in done]
        return found

    def _try(self, rows: Sequence[Row]) -> list[list[float]] | None:
        """None when memory ran out; by then the exception, and with it what its frames held, is gone."""
        try:
            return self._forward(rows)
        except OutOfMemory:
            return None
