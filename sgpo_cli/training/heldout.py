"""Measuring the live policy on held-out problems, without touching the training trajectory.

The problems and the sampling seed are the same every time; the engine has a random state of its own, so that a run that
measures and one that does not train alike. With several processes each rank takes its share of the problems.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sgpo_cli.data.rows import Row
from sgpo_cli.generation.engine import Engine
from sgpo_cli.generation.prompts import Prompt
from sgpo_cli.training.ledger import mean
from sgpo_cli.training.trl_compat import gathered

Outcomes = Callable[[Sequence[Row], Sequence[str]], list[float | None]]
"""(rows, responses) to 1, 0 or None each: the recipe's outcome reward."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out problems and how they are sampled and graded."""

    rows: Sequence[Row]
    prompts: Sequence[Prompt]
    samples: int
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    outcomes: Outcomes
    steps_right: Callable[[str, str], float] | None

    def measure(self, engine: Engine, *, rank: int, ranks: int) -> dict[str, Any]:
        """The policy's figures now.

        Returns:
            `accuracy`; `steps_right` (mean share of right steps) and `all_right` (share of answers that are right with
            every step right), null where the task does not know; `ungraded`, `problems`, `samples`, `seconds`.
        """
        started = time.perf_counter()
        mine = list(range(rank, len(self.rows), ranks))
        rows = [self.rows[i] for i in mine for _ in range(self.samples)]
        completions = engine.generate(
            [self.prompts[i] for i in mine for _ in range(self.samples)],
            max_new_tokens=self.max_new_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=random.Random(f"held-out {self.seed} {rank}").randrange(2**31),
        )
        texts = [completion.text for completion in completions]
        marks = self.outcomes(rows, texts)
        shares = [self._share(row, text) for row, text in zip(rows, texts, strict=True)]
        both: list[tuple[float | None, float | None]] = gathered(list(zip(marks, shares, strict=True)))
        return {
            "accuracy": mean(mark for mark, _ in both),
            "steps_right": mean(share for _, share in both),
            "all_right": None if self.steps_right is None else mean(float(m == 1 and s == 1) for m, s in both),
            "ungraded": sum(mark is None for mark, _ in both),
            "problems": len(self.rows),
            "samples": self.samples,
            "seconds": time.perf_counter() - started,
        }

    def _share(self, row: Row, text: str) -> float | None:
        return None if self.steps_right is None else self.steps_right(row.problem, text)
