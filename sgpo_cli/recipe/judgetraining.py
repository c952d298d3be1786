"""The section `judge.train`: a step judge trained from labelled steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sgpo_cli.recipe.ranges import Count, Positive, Range, Share
from sgpo_cli.recipe.scratch import Scratch


@dataclass(kw_only=True)
class JudgeTrain:
    """A decoder with a head that says of every step whether it is right, trained with transformers' Trainer."""

    model: str | None = None
    """Hub id or transformers folder of the decoder it is made of; null takes the policy before RL."""
    scratch: Scratch | None = None
    """Random weights over bytes in the place of `model`."""
    labels: str | None = None
    """JSONL of labelled steps; null labels rollouts of the policy before RL with `label_with`."""
    format: Literal["auto", "sgpo", "processbench", "stepwise", "prm800k", "math_shepherd"] = "auto"
    """Schema of `labels`; auto goes by the first row's columns. One schema a file."""
    label_with: str | None = None
    """Judge card that labels rollouts: the warm start's, and the policy's under `refresh_every`."""
    rollouts: Count = 2000
    """Rollouts of the policy before RL to label, in whole groups."""
    least: Count = 100
    """Fewest labelled responses to train on; with fewer the run stops before it trains."""
    heldout: Annotated[float, Range(ge=0, lt=1)] = 0.1
    """Share of the problems whose responses are set aside, to measure the judge on."""
    seed: Annotated[int, Range(ge=0)] = 0
    """Seed of rollouts, head and order; apart from the recipe's, so that recipes can share a judge."""
    steps: Count = 400
    """Optimizer steps."""
    batch_size: Count = 64
    """Responses an optimizer step."""
    learning_rate: Positive = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Range(ge=0)] = 0.01
    """AdamW's weight decay."""
    warmup_share: Share = 0.05
    """Share of the steps over which the rate rises to its peak, before it falls linearly to 0."""
    max_length: Count = 2048
    """Longest problem plus response in tokens; longer ones are left out and counted."""
    save_every: Count = 100
    """Steps between checkpoints."""
    reference_steps: bool = True
    """Whether a response with fewer steps than its reference solution, where there is one, counts as many, and is wrong
    in its last step if no other is found: else an answer given early has a long correct prefix."""
    refresh_every: Count | None = None
    """RL steps after which rollouts of the policy are labelled and training goes on; null never."""
    refresh_rollouts: Count = 512
    """Rollouts labelled each time: the newest ones."""
    refresh_steps: Count = 60
    """Optimizer steps each time."""
