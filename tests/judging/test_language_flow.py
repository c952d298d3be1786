"""How the language-model judge asks: in order, once, no further ahead than it must, and into the store at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.language.flights import Flight, Flights
from sgpo_cli.judging.store import VerdictStore, solution_key
from sgpo_cli.judging.verdict import Solution, Verdict
from tests.judging.language import judge_at, right, solution, truth
from tests.servers.behaviours import Act, Asked, late
from tests.servers.chat_server import ChatServer


def test_questions_go_out_in_order() -> None:
    """So that the responses of a group meet a warm prefix cache."""
    given = [solution(number) for number in range(20)]
    with ChatServer(right) as server, judge_at(server, concurrency=1) as judge:
        judge.judge(given)
        assert [f"right {n}." in e.prompt or f"WRONG {n}." in e.prompt for n, e in enumerate(server.log)] == [True] * 20


def test_equal_solutions_are_asked_once() -> None:
    """Within a batch, and across batches that are under way at the same time."""
    given = [solution(number % 10) for number in range(40)]
    with ChatServer(right, latency_s=0.3) as server, judge_at(server) as judge:
        found: list[list[int | None]] = [[], []]

        def ask(i: int) -> None:
            found[i] = [v.first_error for v in judge.judge(given)]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [[truth(s) for s in given]] * 2
        usage = judge.take_usage()
        assert len(server.log) == usage.calls == 10 and usage.cached == 70


def test_what_is_shown_decides_what_is_equal() -> None:
    one, two = Solution("p", ("s",), reference="a"), Solution("p", ("s",), reference="b")
    answers = [one, two, Solution("p", ("s",), reference="a", answer="42")]
    with ChatServer(right, latency_s=0.05) as server:
        with judge_at(server) as judge:
            judge.judge(answers)
        assert len(server.log) == 2
        with judge_at(server, reference="never") as judge:
            judge.judge(answers)
        assert len(server.log) == 3


def test_the_store_is_looked_up_first_and_holds_real_verdicts_only(tmp_path: Path) -> None:
    given = [solution(number) for number in range(40)]
    path = tmp_path / "verdicts.sqlite"
    with ChatServer(right, fail_share=0.3, seed=2) as server:
        with judge_at(server, store=path, breaker={"share": 1.0}) as judge:
            first = judge.judge(given)
            failed = sum(v.abstained for v in first)
            with VerdictStore(path) as store:
                assert failed > 0 and store.count(judge.fingerprint) == 40 - failed
        server.fail_share, before = 0.0, len(server.log)
        with judge_at(server, store=path) as judge:
            second = list(judge.stream(given))
            usage = judge.take_usage()
        assert len(server.log) - before == failed == usage.calls and usage.cached == 40 - failed
        assert [v.first_error for v in second] == [truth(s) for s in given]
        with judge_at(server, store=path, temperature=1.0) as judge:
            judge.judge(given[:5])
            assert judge.take_usage().calls == 5, "another judge, whose verdicts are its own"


def test_a_verdict_is_stored_as_it_arrives(tmp_path: Path) -> None:
    """Not in the order of the output: the first question hangs, the others' verdicts are in the store already."""
    path, release = tmp_path / "verdicts.sqlite", threading.Event()
    given = [solution(number) for number in range(10)]

    def behave(asked: Asked) -> Act:
        return (late(3.0, right) if asked.number == 0 else right)(asked)

    with ChatServer(behave) as server, judge_at(server, store=path) as judge:
        thread = threading.Thread(target=lambda: (judge.judge(given), release.set()))
        thread.start()
        with VerdictStore(path) as store:
            while store.count() < 9:
                assert not release.wait(0.01)
            assert not release.is_set()
        thread.join()


def test_what_another_process_stored_meanwhile_is_not_asked(tmp_path: Path) -> None:
    """The second question waits for the only place; before it gets it, its verdict is in the store."""
    path = tmp_path / "verdicts.sqlite"
    one, two = solution(1), solution(2)
    with ChatServer(right, latency_s=0.5) as server, judge_at(server, store=path, concurrency=1) as judge:
        thread = threading.Thread(target=judge.judge, args=([one],))
        thread.start()
        while not server.log:
            time.sleep(0.005)
        stream = judge.stream([two])
        waits = threading.Thread(target=lambda: found.append(next(stream)))
        found: list[Verdict] = []
        waits.start()
        while len(judge._flights._by_key) < 2:
            time.sleep(0.005)
        with VerdictStore(path) as store:
            theirs = Verdict.found(0, num_steps=3, judge="judge", reason="theirs")
            store.put(judge.fingerprint, solution_key(two, reference=True), theirs)
        thread.join()
        waits.join()
        assert found == [theirs] and len(server.log) == 1


def test_flights_are_shared_until_the_last_leaves() -> None:
    """One that nobody waits for is not asked; one under way stays on the board until it lands, for newcomers."""
    begun: list[Flight] = []

    def start(flight: Flight) -> Future[Verdict | None]:
        begun.append(flight)
        return Future()

    flights = Flights(start)
    first, shared = flights.board("k", solution(1))
    again, also = flights.board("k", solution(1))
    assert first is again and (shared, also) == (False, True)
    flights.leave(first)
    assert flights.board("k", solution(1)) == (first, True), "one still waits"
    assert flights.take_off(first)
    flights.leave(first)
    flights.leave(first)
    newcomer, joined = flights.board("k", solution(1))
    assert newcomer is first and joined, "under way: its answer is not asked for again"
    flights.land(first)
    flights.leave(newcomer)
    second, _ = flights.board("k", solution(1))
    assert second is not first
    flights.leave(second)
    assert not flights.take_off(second), "nobody waits"
    assert flights.board("k", solution(1))[0] is not second and len(begun) == 3


def test_a_stream_reads_ahead_by_a_window_and_no_more() -> None:
    read_so_far = 0

    def rows() -> Iterator[Solution]:
        nonlocal read_so_far
        for number in range(200):
            read_so_far += 1
            yield solution(number)

    with ChatServer(right) as server, judge_at(server, concurrency=4) as judge:
        for index, read in enumerate(judge.stream(rows())):
            assert read.first_error == truth(solution(index))
            assert read_so_far <= index + 1 + 16
        assert index == 199 and len(server.log) == 200
        assert list(judge.stream([])) == []


def test_an_abandoned_stream_asks_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    with ChatServer(right, latency_s=0.1) as server, judge_at(server, concurrency=2, store=path) as judge:
        stream = judge.stream(solution(number) for number in range(1000))
        next(stream)
        stream.close()
        (last,) = judge.judge([solution(5000)])  # waits behind whatever is still queued
        assert last.first_error == truth(solution(5000))
        asked = len(server.log)
        assert asked <= 6
        with VerdictStore(path) as store:
            assert store.count() >= asked - 2, "what was under way arrives and is kept"


def test_a_failing_store_stops_the_judge(tmp_path: Path) -> None:
    """Going on would pay for verdicts that are lost."""
    path = tmp_path / "verdicts.sqlite"
    with ChatServer(right) as server, judge_at(server, store=path) as judge:
        judge.judge([solution(1)])
        for file in tmp_path.iterdir():
            file.unlink()
        path.write_bytes(b"not a database at all" * 100)
        judge._store._drop()  # type: ignore[union-attr]  # as after a fork: it opens the file anew
        with pytest.raises(UserError, match="verdict"):
            judge.judge([solution(2)])


def test_closing_ends_a_judge_that_is_being_asked() -> None:
    with ChatServer(right, latency_s=30.0) as server:
        judge = judge_at(server)
        threading.Timer(0.2, judge.close).start()
        with pytest.raises(RunFailed, match="closed"):
            judge.judge([solution(1)])
        judge.close()
