"""The warm-up's rows as token ids: a fixed list of batches, so that a resumed warm-up sees what a straight one sees."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sgpo_cli.data.hops import corpus
from sgpo_cli.data.rows import Lengths, Row, load_data
from sgpo_cli.errors import UserError
from sgpo_cli.generation.prompts import fill, prompt_ids, render
from sgpo_cli.recipe.kinds import WarmupSft
from sgpo_cli.recipe.schema import Data, Model

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that is not learned: the prompt's and the padding's."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row: `ids` is prompt, response, EOS; the first `prompt` of them are not learned."""

    ids: list[int]
    prompt: int


def warmup_rows(data: Data, warmup: WarmupSft, lengths: Lengths | None = None) -> list[Row]:
    """`steps * batch_size` rows in the order they are learned: hops' corpus, or the source's rows with a solution,
    epoch after epoch, each shuffled by the warm-up's seed. Held-out rows are left out, and so are those that
    `lengths` finds longer than `data.max_problem_tokens`.

    Raises:
        UserError: no row has a solution.
    """
    wanted = warmup.steps * warmup.batch_size
    if data.source == "hops":
        return corpus(data.hops, wanted, warmup.seed)
    kept, _ = load_data(data, lengths)
    usable = [row for row in kept if row.solution is not None and row.solution.strip()]
    if not usable:
        raise UserError(
            "warmup.kind sft needs solutions, and no row has one",
            where=data.source,
            fix="name the column under data.columns.solution, or set warmup.kind=none",
        )
    rng = random.Random(f"warmup {warmup.seed}")
    rows: list[Row] = []
    while len(rows) < wanted:
        rows += rng.sample(usable, len(usable))
    return rows[:wanted]


def encode(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, *, model: Model, template: str, max_length: int
) -> list[Example]:
    """Rows as ids, at most `max_length` of them; a row cut short has no EOS, so that stopping there is not learned.

    Raises:
        UserError: a prompt fills `max_length` alone, so that nothing of its solution would be learned.
    """
    prompts = [
        render(fill(template, row.problem), tokenizer, chat=model.chat, system=model.system_prompt) for row in rows
    ]
    asked = prompt_ids(prompts, tokenizer)
    solutions = tokenizer([row.solution or "" for row in rows], add_special_tokens=False)["input_ids"]
    examples = []
    for row, prompt, solution in zip(rows, asked, solutions, strict=True):
        if len(prompt) >= max_length:
            raise UserError(
                f"the prompt of row {row.id} has {len(prompt)} tokens, which leaves nothing of warmup.max_length "
                f"{max_length} for its solution",
                fix="raise warmup.max_length",
            )
        examples.append(Example([*prompt, *solution, tokenizer.eos_token_id][:max_length], len(prompt)))
    return examples


def collate(examples: Sequence[Example], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch padded on the right: `input_ids`, `attention_mask`, `labels`, each (rows, longest row)."""
    import torch

    width = max(len(example.ids) for example in examples)
    shape = (len(examples), width)
    ids = torch.full(shape, pad_id)
    mask = torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    for row, example in enumerate(examples):
        end = len(example.ids)
        ids[row, :end] = torch.tensor(example.ids)
        mask[row, :end] = 1
        labels[row, example.prompt : end] = ids[row, example.prompt : end]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
