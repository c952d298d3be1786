"""Judges with a stream of their own: order, no barrier, errors of the input, stops; and failed calls in a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from sgpo_cli.errors import Interrupted, RunFailed, UserError
from sgpo_cli.judging.labelling.counts import Progress
from sgpo_cli.judging.labelling.guard import MOST_IN_A_ROW, is_failure
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Solution, Verdict
from tests.judging.label_help import ByNumber, judged, read, rows, write


class Streaming(ByNumber):
    """Reads `ahead` solutions before it gives a verdict; counts what it cost."""

    name = "streaming"

    def __init__(self, ahead: int = 10, failing: range = range(0)) -> None:
        super().__init__()
        self.ahead, self.failing = ahead, failing
        self.closed = threading.Event()
        self.usage = Usage()

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        raise AssertionError("a judge with a stream is used through it")

    def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
        waiting: list[Solution] = []
        try:
            for solution in solutions:
                self.seen.append(solution.problem)
                waiting.append(solution)
                if len(waiting) > self.ahead:
                    yield self.answer(waiting.pop(0))
            while waiting:
                yield self.answer(waiting.pop(0))
        finally:
            self.closed.set()

    def answer(self, solution: Solution) -> Verdict:
        self.usage.calls += 1
        if solution.problem[1:].isdecimal() and int(solution.problem[1:]) in self.failing:
            self.usage.failed += 1
            return Verdict.abstain("judge: server: 500", num_steps=len(solution.steps), judge=self.name)
        return self.one(solution)

    def take_usage(self) -> Usage:
        taken, self.usage = self.usage, Usage()
        return taken


def source(tmp_path: Path, count: int) -> JsonLines:
    return JsonLines(write(tmp_path / "in.jsonl", rows(count)))


def test_a_stream_gives_what_batches_give_in_order(tmp_path: Path) -> None:
    streaming, seen = Streaming(ahead=37), list[Progress]()
    summary = judged(source(tmp_path, 500), tmp_path / "a.jsonl", streaming, on_progress=seen.append)
    judged(source(tmp_path, 500), tmp_path / "b.jsonl", ByNumber())
    told = [{**row, "verdict": {**row["verdict"], "judge": "by number"}} for row in read(tmp_path / "a.jsonl")]
    assert [row["verdict"]["first_error"] for row in told] == [
        row["verdict"]["first_error"] for row in read(tmp_path / "b.jsonl")
    ]
    assert summary.usage is not None and summary.usage.calls == 500 and summary.to_json()["usage"]["calls"] == 500
    assert seen[-1].done == 500 and seen[-1].usage is not None and seen[-1].usage.calls == 500
    assert streaming.closed.wait(5)


def test_a_row_is_written_before_the_stream_has_ended(tmp_path: Path) -> None:
    """No barrier: a verdict is on the disk while the judge still waits for others."""
    go_on = threading.Event()

    class Waits(Streaming):
        def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
            for number, solution in enumerate(solutions):
                if number == 3:
                    assert go_on.wait(20)
                yield self.answer(solution)

    def look(now: Progress) -> None:
        if now.done == 3:
            assert len(read(tmp_path / "out.jsonl.partial")) == 3
            go_on.set()

    judged(source(tmp_path, 10), tmp_path / "out.jsonl", Waits(), on_progress=look)
    assert go_on.is_set()


def test_a_row_that_goes_bad_in_the_stream_comes_after_the_verdicts_before_it(tmp_path: Path) -> None:
    rows_ = source(tmp_path, 300)
    rows_.check()
    whole = rows_.path.read_text().splitlines()
    rows_.path.write_text("\n".join([*whole[:200], '{"problem": ', *whole[201:]]))  # after it was checked
    with pytest.raises(UserError, match="not JSON") as caught:
        judged(rows_, tmp_path / "out.jsonl", Streaming(ahead=50))
    assert caught.value.where == f"{rows_.path}:201"
    assert len(read(tmp_path / "out.jsonl.partial")) == 200


def test_a_stop_is_heeded_while_a_slow_answer_is_awaited(tmp_path: Path) -> None:
    never = threading.Event()

    class Stuck(Streaming):
        def answer(self, solution: Solution) -> Verdict:
            if solution.problem == "p5":
                never.wait(30)
            return super().answer(solution)

    def stop(now: Progress) -> None:
        if now.done == 5:
            raise Interrupted("stopped")

    judge, began = Stuck(ahead=0), time.monotonic()
    with pytest.raises(Interrupted):
        judged(source(tmp_path, 50), tmp_path / "out.jsonl", judge, on_progress=stop)
    assert time.monotonic() - began < 10
    assert len(read(tmp_path / "out.jsonl.partial")) == 5
    never.set()
    assert judge.closed.wait(5), "the judge's stream is closed as soon as it lets go"
    assert len(judge.seen) < 10, "and no further row was read"


def test_a_judge_that_breaks_or_loses_rows_fails_the_job(tmp_path: Path) -> None:
    class Short(Streaming):
        def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
            for verdict, _ in zip(super().stream(solutions), range(5), strict=False):
                yield verdict

    class Broken(Streaming):
        def answer(self, solution: Solution) -> Verdict:
            raise RunFailed("no space left to write verdicts.sqlite")

    with pytest.raises(RunFailed, match="no verdict for"):
        judged(source(tmp_path, 50), tmp_path / "out.jsonl", Short())
    with pytest.raises(RunFailed, match="no space left"):
        judged(source(tmp_path, 50), tmp_path / "other.jsonl", Broken())


# --- failed calls ---------------------------------------------------------------------------------------------------


def test_what_counts_as_a_failed_call() -> None:
    def said(reason: str) -> Verdict:
        return Verdict.abstain(reason, num_steps=1, judge="j")

    assert is_failure(said("judge: rate_limited: 429")) and is_failure(said("judge: breaker_open: not asked"))
    assert is_failure(said("1 of 3 judges: a: judge: timeout: 30 s"))
    assert not is_failure(said("judge: outside the schema")) and not is_failure(said("too long"))
    assert not is_failure(Verdict.found(0, num_steps=1, judge="j", reason="judge: timeout: is what the step says"))


def test_failed_calls_between_verdicts_are_written_and_counted(tmp_path: Path) -> None:
    failing = range(50, 50 + MOST_IN_A_ROW - 1)
    summary = judged(source(tmp_path, 300), tmp_path / "out.jsonl", Streaming(failing=failing))
    assert summary.counts.failed == summary.counts.abstained == len(failing)
    assert [row["verdict"]["abstained"] for row in read(tmp_path / "out.jsonl")] == [i in failing for i in range(300)]


def test_too_many_in_a_row_stop_the_job_and_none_of_them_is_kept(tmp_path: Path) -> None:
    failing = range(50, 50 + MOST_IN_A_ROW)
    with pytest.raises(RunFailed, match="judge: server: 500") as caught:
        judged(source(tmp_path, 300), tmp_path / "out.jsonl", Streaming(failing=failing))
    assert caught.value.fix and "same command goes on" in caught.value.fix
    assert [row["n"] for row in read(tmp_path / "out.jsonl.partial")] == list(range(50))
    summary = judged(source(tmp_path, 300), tmp_path / "out.jsonl", Streaming())
    assert summary.resumed == 50 and summary.counts.abstained == 0


def test_a_small_job_in_which_every_call_fails_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="5 responses in a row"):
        judged(source(tmp_path, 5), tmp_path / "out.jsonl", Streaming(failing=range(5)))
    assert not (tmp_path / "out.jsonl").exists()


def test_a_failure_at_the_end_is_written(tmp_path: Path) -> None:
    summary = judged(source(tmp_path, 5), tmp_path / "out.jsonl", Streaming(failing=range(4, 5)))
    assert summary.counts.failed == 1 and len(read(tmp_path / "out.jsonl")) == 5
