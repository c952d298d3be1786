"""Labelled responses as ids and targets, written exactly as the judge will read them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgpo_cli.judging.learned.formats import Labelled
from sgpo_cli.judging.process_reward.encode import NOWHERE, Writer
from sgpo_cli.judging.verdict import Solution

if TYPE_CHECKING:
    import torch

WRONG, RIGHT = 0, 1
"""Classes of a step."""
IGNORED = -100
"""Target of a token that is not learned from: all but the last of a step, and all behind the first wrong step."""


@dataclass(frozen=True, slots=True)
class Example:
    """`ids` of problem and steps up to the first wrong one; `targets` pairs a position with the class of its step."""

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]


def encode(rows: Sequence[Labelled], writer: Writer, *, max_length: int) -> tuple[list[Example], Counter[str]]:
    """One example a row that can be learned from, and how many others there are, by reason.

    A response is cut behind its first wrong step: what follows could not be looked at from there anyway.
    """
    examples: list[Example] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        last = len(row.steps) - 1 if row.first_error < 0 else row.first_error
        written = writer.row(Solution(row.problem, row.steps[: last + 1]))
        if NOWHERE in written.positions:
            left_out["with a step that has no token"] += 1
        elif len(written.ids) > max_length:
            left_out[f"longer than {max_length:,} tokens (judge.train.max_length, or what the model reads)"] += 1
        else:
            classes = [WRONG if at == row.first_error else RIGHT for at in range(last + 1)]
            examples.append(Example(written.ids, tuple(zip(written.positions, classes, strict=True))))
    return examples, left_out


def in_order(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """`count` examples, pass after pass, each pass shuffled: the whole order is fixed, so that any step can be resumed.

    Raises ValueError when there are none.
    """
    if not examples:
        raise ValueError("no examples")
    rng = random.Random(f"judge order {seed}")
    order: list[Example] = []
    while len(order) < count:
        order += rng.sample(examples, len(examples))
    return order[:count]


def collate(examples: Sequence[Example], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch padded on the right: `input_ids`, `attention_mask`, `labels`, each (rows, longest row)."""
    import torch

    shape = (len(examples), max(len(example.ids) for example in examples))
    ids, labels = torch.full(shape, pad_id), torch.full(shape, IGNORED)
    mask = torch.zeros(shape, dtype=torch.long)
    for at, example in enumerate(examples):
        ids[at, : len(example.ids)] = torch.tensor(example.ids)
        mask[at, : len(example.ids)] = 1
        for position, step in example.targets:
            labels[at, position] = step
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
