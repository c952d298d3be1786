"""The section `offline`: the policy learns from fixed responses, made and labelled once."""

from __future__ import annotations

from dataclasses import dataclass

from sgpo_cli.recipe.ranges import Count


@dataclass(kw_only=True)
class Offline:
    """Rollouts of the policy before RL, or responses of elsewhere, in groups of `trainer.group_size`."""

    problems: Count = 1600
    """Groups made, at most; problems are taken in the data's order."""
    responses: str | None = None
    """JSONL of responses made elsewhere (`problem`, `response`), what `sgpo judge` writes included: its verdicts are
    used where they are, and no judge is needed then; null rolls out the policy."""
