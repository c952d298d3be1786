"""Asking a judge during training: equal solutions once, failures as abstentions, everything counted.

A judge whose calls leave the process is asked in a thread of its own, so that the trainer goes on with what needs no
verdict; any other is asked when its verdicts are wanted, for it would only take the trainer's processor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from sgpo_cli.errors import RunFailed, SgpoError
from sgpo_cli.judging.usage import Metered, take_usage
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.training.rollouts import JudgeFigures
from sgpo_cli.training.stored import StoredJudge


def may_overlap(judge: Judge) -> bool:
    """Whether this judge mostly waits, for a server."""
    return isinstance(judge, Metered)


class Question:
    """Solutions handed to a judge. `answers()` waits for the verdicts, one for each solution, in order."""

    def __init__(self, judge: Judge, solutions: Sequence[Solution], *, ahead: bool) -> None:
        """`ahead`: ask at once, in a thread."""
        self._judge = judge
        self._solutions = list(solutions)
        self._made: tuple[list[Verdict], JudgeFigures] | None = None
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None
        if ahead and self._solutions:
            self._thread = threading.Thread(target=self._ask_ahead, name="judge", daemon=True)
            self._thread.start()

    def answers(self) -> tuple[list[Verdict], JudgeFigures]:
        """The verdicts and what they cost; raises what the judge is not allowed to swallow (`SgpoError`).

        `JudgeFigures.waited` is how long the trainer stood still for them.
        """
        began = time.perf_counter()
        if self._thread is not None:
            self._thread.join()
        elif self._made is None:
            self._made = read(self._judge, self._solutions)
        if self._problem is not None:
            raise self._problem
        assert self._made is not None
        self._made[1].waited = time.perf_counter() - began
        return self._made

    def _ask_ahead(self) -> None:
        try:
            self._made = read(self._judge, self._solutions)
        except BaseException as problem:  # noqa: BLE001 - raised again in the trainer's thread, by `answers`
            self._problem = problem


def read(judge: Judge, solutions: Sequence[Solution]) -> tuple[list[Verdict], JudgeFigures]:
    """One verdict for each solution, in order; a judge that raises abstains on what it raised on."""
    figures = JudgeFigures()
    started = time.perf_counter()
    distinct = list(dict.fromkeys(solutions))
    verdicts = dict(zip(distinct, _ask(judge, distinct, figures), strict=True))
    usage = take_usage(judge)
    if usage is not None:
        figures.count(usage)
    figures.cached += len(solutions) - len(distinct)
    figures.seconds = time.perf_counter() - started
    return [verdicts[solution] for solution in solutions], figures


def _ask(judge: Judge, solutions: list[Solution], figures: JudgeFigures) -> list[Verdict]:
    """Asks for all at once; when that raises, one by one, so that one bad solution costs only its own verdict."""
    if not solutions:
        return []
    if not isinstance(judge, StoredJudge):  # its verdicts were asked for before, and counted there
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
