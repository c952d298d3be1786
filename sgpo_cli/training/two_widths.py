"""Long rows and short rows of a batch scored apart, so that the short ones are not padded to the long ones' width.

Prefixes on top of the budget make a fixed share of the rows longer than all others. A batch is as wide as its longest
row: scored together, every row pays for the prefix of a few. Two narrower batches give the same figures for less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import pad

Scored = tuple[torch.Tensor, torch.Tensor | None]
"""Log-probabilities, (B, kept), and entropies of the same shape where they were asked for."""
Score = Callable[[torch.Tensor, torch.Tensor, int], Scored]
"""From ids and attention mask, (B, T) both, to the figures of the last `kept` columns."""


def split_rows(lengths: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Indices of the short and of the long rows, cut where the least padding is left; one part of a single row.

    Always two parts of two rows or more, equal lengths included: ranks that share a model's weights must call it
    equally often.
    """
    order = lengths.argsort(stable=True)
    if len(order) < 2:
        return (order,)
    ordered = lengths[order]
    shorter = torch.arange(1, len(order), device=lengths.device)
    cells = shorter * ordered[:-1] + (len(order) - shorter) * ordered[-1]
    cut = int(cells.argmin()) + 1
    return order[:cut], order[cut:]


def share_spared(lengths: Sequence[int]) -> float:
    """Which share of a padded batch's cells two parts would not have; rows of these lengths."""
    if len(lengths) < 2:
        return 0.0
    parts = split_rows(torch.tensor(lengths))
    cells = sum(len(part) * max(lengths[i] for i in part.tolist()) for part in parts)
    return 1 - cells / (len(lengths) * max(lengths))


def score_in_two(score: Score, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> Scored:
    """What `score` gives for the whole batch, (B, T), from two calls; columns behind a part's longest row are 0.

    The last `kept` columns hold responses, padded on the right; those before them stay as wide as they are.
    """
    before = ids.size(1) - kept
    lengths = mask[:, before:].sum(1)
    parts = split_rows(lengths)
    figures: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for rows in parts:
        width = max(1, int(lengths[rows].max()))
        end = before + width
        logps, entropies = score(ids[rows, :end], mask[rows, :end], width)
        wide = (0, kept - width)
        figures.append((pad(logps, wide), None if entropies is None else pad(entropies, wide)))
    back = torch.cat(parts).argsort()
    together = torch.cat([logps for logps, _ in figures])[back]
    found = [entropies for _, entropies in figures if entropies is not None]
    return together, torch.cat(found)[back] if found else None
