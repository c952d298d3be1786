"""Asking a judge during training: equal solutions once, failures as abstentions, everything counted."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sgpo_cli.errors import RunFailed, SgpoError
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.training.rollouts import JudgeFigures


def read(judge: Judge, solutions: Sequence[Solution]) -> tuple[list[Verdict], JudgeFigures]:
    """One verdict for each solution, in order; a judge that raises abstains on what it raised on."""
    figures = JudgeFigures()
    started = time.perf_counter()
    distinct = list(dict.fromkeys(solutions))
    verdicts = dict(zip(distinct, _ask(judge, distinct, figures), strict=True))
    figures.cached = len(solutions) - len(distinct)
    figures.seconds = time.perf_counter() - started
    return [verdicts[solution] for solution in solutions], figures


def _ask(judge: Judge, solutions: list[Solution], figures: JudgeFigures) -> list[Verdict]:
    """Asks for all at once; when that raises, one by one, so that one bad solution costs only its own verdict."""
    if not solutions:
        return []
    figures.calls += len(solutions)
    try:
        verdicts = judge.judge(solutions)
    except SgpoError:
        raise
    except Exception as problem:  # noqa: BLE001 - a judge's failure is data: an abstention, counted in the ledger
        if len(solutions) == 1:
            figures.failed += 1
            why = f"judge failed: {type(problem).__name__}: {problem}"
            return [Verdict.abstain(why, num_steps=len(solutions[0].steps), judge=judge.name)]
        return [_ask(judge, [solution], figures)[0] for solution in solutions]
    if len(verdicts) != len(solutions):
        raise RunFailed(f"judge {judge.name!r} gave {len(verdicts)} verdicts for {len(solutions)} solutions")
    return verdicts


def gives_nothing(verdict: Verdict) -> bool:
    """Whether training takes this verdict as an abstention: it is one, or the judge found nothing to check.

    A response without steps is no abstention: its prefix score is 0, whoever judges.
    """
    return verdict.abstained or (verdict.checked == 0 and verdict.num_steps > 0)
