"""Opens the process reward judge of a card: in this process, or behind a server."""

from __future__ import annotations

from collections.abc import Mapping

from sgpo_cli.judging.process_reward.judge import NAME, ProcessRewardJudge
from sgpo_cli.recipe.judgecards import ProcessRewardCard
from sgpo_cli.recipe.walker import from_dict


def from_options(options: Mapping[str, object]) -> ProcessRewardJudge:
    """The judge of a card's options (its fields); `UserError` with all mistakes. Opens nothing yet."""
    card = from_dict(ProcessRewardCard, {**options, "kind": NAME})
    if card.device != "server":
        return ProcessRewardJudge(card)
    from sgpo_cli.judging.process_reward.server import ServedProcessRewardJudge

    return ServedProcessRewardJudge(card)
