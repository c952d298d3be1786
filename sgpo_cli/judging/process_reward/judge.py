"""The `process_reward` judge: the first step that a process reward model scores below the threshold is wrong."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sgpo_cli.judging.process_reward.batches import Scored
from sgpo_cli.judging.process_reward.encode import NOWHERE, Row
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.judgecards import ProcessRewardCard

if TYPE_CHECKING:
    from sgpo_cli.judging.process_reward.opened import Opened

NAME = "process_reward"


class ProcessRewardJudge:
    """Scores every step of a response in one forward pass; the model is opened when it is first needed.

    It abstains on a response that is longer than the model can read, holds a token that the model does not know, does
    not fit into memory even by itself, or gets a score that is no number; nothing is cut to fit.
    """

    name = NAME

    def __init__(self, card: ProcessRewardCard) -> None:
        self.card = card
        self._opened: Opened | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Opens the model now; `UserError` when it cannot be."""
        with self._lock:
            self._model()

    def close(self) -> None:
        """Lets the model go; the next question opens it again."""
        with self._lock:
            self._opened = None

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        verdicts: list[Verdict | None] = [None] * len(solutions)
        with self._lock:
            rows: dict[int, Row] = {}
            for at, solution in enumerate(solutions):
                if not solution.steps:
                    verdicts[at] = Verdict.found(-1, num_steps=0, judge=NAME)
                    continue
                row, why_not = self._row(solution)
                if why_not is None:
                    rows[at] = row
                else:
                    verdicts[at] = Verdict.abstain(why_not, num_steps=len(solution.steps), judge=NAME)
            scored = self._model().scorer.score(list(rows.values())) if rows else []
        for (at, row), scores in zip(rows.items(), scored, strict=True):
            verdicts[at] = _verdict(scores, row, self.card.threshold)
        return [verdict for verdict in verdicts if verdict is not None]

    def scores(self, solution: Solution) -> Scored:
        """The score of each step of one response, or why the judge would abstain."""
        with self._lock:
            row, why_not = self._row(solution)
            return why_not or self._model().scorer.score([row])[0]

    def _model(self) -> Opened:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Opened:
        from sgpo_cli.judging.process_reward.model import open_model

        return open_model(self.card)

    def _row(self, solution: Solution) -> tuple[Row, str | None]:
        """The ids of a response, and why they cannot be scored, if so."""
        opened = self._model()
        row = opened.writer.row(solution)
        if len(row.ids) > opened.limit:
            return row, f"too long: {len(row.ids)} tokens, the judge reads {opened.limit}"
        if NOWHERE in row.positions:
            return row, "a step has no token at which to read its score"
        unknown = max(row.ids)
        if unknown >= opened.vocabulary:
            return row, f"token {unknown} is not in the model's vocabulary of {opened.vocabulary}"
        return row, None


def _verdict(scores: Scored, row: Row, threshold: float) -> Verdict:
    """The first step below `threshold`. One score that is no number, and none of that response counts."""
    count = len(row.positions)
    if isinstance(scores, str):
        return Verdict.abstain(scores, num_steps=count, judge=NAME)
    for at, score in enumerate(scores):
        if not math.isfinite(score):
            return Verdict.abstain(f"the score of step {at} is {score}", num_steps=count, judge=NAME)
    for at, score in enumerate(scores):
        if score < threshold:
            shown = math.floor(score * 1000) / 1000  # never rounded up to the threshold
            return Verdict.found(
                at, num_steps=count, judge=NAME, reason=f"step {at} scored {shown:.3f} < {threshold:g}"
            )
    return Verdict.found(-1, num_steps=count, judge=NAME)
