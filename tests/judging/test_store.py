"""The verdict store: what it keeps, what it refuses, and what several processes, some of them killed, do to it."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.errors import RunFailed, SgpoError, UserError
from sgpo_cli.judging import store as store_module
from sgpo_cli.judging.store import VerdictStore, on_network, solution_key
from sgpo_cli.judging.verdict import Solution, Verdict

FORK = multiprocessing.get_context("fork")
JUDGE = "a" * 64


def verdict(first_error: int = 1, *, reason: str | None = "step 2: 3 × 4 ≠ 13") -> Verdict:
    return Verdict.found(first_error, num_steps=7, checked=6, reason=reason, judge="model")


def run(target: Callable[[], None]) -> int | None:
    """`target` in a forked process; its exit code."""
    process = FORK.Process(target=target)
    process.start()
    process.join(60)
    return process.exitcode


# What it keeps


@pytest.mark.parametrize("kept", [verdict(-1, reason=None), verdict(0), verdict(6, reason="")])
def test_gives_back_what_was_put_after_reopening(tmp_path: Path, kept: Verdict) -> None:
    path = tmp_path / "not" / "there" / "verdicts.sqlite"
    with VerdictStore(path) as store:
        assert store.get(JUDGE, "k") is None
        store.put(JUDGE, "k", kept)
        assert store.get(JUDGE, "k") == kept
    with VerdictStore(path) as store:
        assert store.get(JUDGE, "k") == kept
    assert [file.name for file in path.parent.iterdir()] == ["verdicts.sqlite"]


def test_judges_do_not_see_each_others_verdicts(tmp_path: Path) -> None:
    with VerdictStore(tmp_path / "v") as store:
        store.put("one", "k", verdict(1))
        store.put("two", "k", verdict(2))
        store.put("two", "l", verdict(3))
        assert store.get("one", "k") == verdict(1)
        assert store.get("two", "k") == verdict(2)
        assert store.get("one", "l") is None
        assert (store.count(), store.count("one"), store.count("two"), store.count("three")) == (3, 1, 2, 0)


def test_first_writer_wins(tmp_path: Path) -> None:
    with VerdictStore(tmp_path / "v") as store, VerdictStore(tmp_path / "v") as other:
        store.put(JUDGE, "k", verdict(1))
        other.put(JUDGE, "k", verdict(2))
        assert store.get(JUDGE, "k") == other.get(JUDGE, "k") == verdict(1)


def test_an_abstention_is_not_kept(tmp_path: Path) -> None:
    with VerdictStore(tmp_path / "v") as store:
        with pytest.raises(ValueError, match="rate limited"):
            store.put(JUDGE, "k", Verdict.abstain("rate limited", num_steps=3, judge="model"))
        assert store.count() == 0


def test_get_many_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    keys = [solution_key(Solution(str(n), ()), reference=False) for n in range(1203)]
    with VerdictStore(tmp_path / "v") as store:
        assert store.get_many(JUDGE, keys) == {}
        for n, key in enumerate(keys[::2]):
            store.put(JUDGE, key, verdict(n % 7))
        found = store.get_many(JUDGE, [*keys, *keys])
        assert found == {key: verdict(n % 7) for n, key in enumerate(keys[::2])}
        assert store.get_many(JUDGE, []) == {}


def test_any_text_is_a_key_and_none_is_another(tmp_path: Path) -> None:
    odd = ["", "k", "ab" * 32, "AB" * 32, "\x00", "日本", "' OR 1=1 --"]
    with VerdictStore(tmp_path / "v") as store:
        for n, key in enumerate(odd):
            store.put(key, key, verdict(n))
        for n, key in enumerate(odd):
            assert store.get_many(key, odd) == {key: verdict(n)}


def test_closed_is_closed(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path / "v")
    store.close()
    store.close()
    with pytest.raises(ValueError, match="closed"):
        store.get(JUDGE, "k")


# Keys

SOLUTION = Solution("1 + 1?", ("One.", "Two."), reference="1 + 1 = 2", answer="2")


def test_the_key_is_of_what_was_shown() -> None:
    key = solution_key(SOLUTION, reference=False)
    assert key == solution_key(Solution("1 + 1?", ("One.", "Two."), answer="3"), reference=True)
    assert key != solution_key(SOLUTION, reference=True)
    assert len(key) == 64
    others = [
        Solution("1 + 1?", steps) for steps in [(), ("One.",), ("One.Two.",), ("Two.", "One."), ("One.", "Two. ")]
    ]
    assert len({key, *(solution_key(other, reference=False) for other in others)}) == 6


@given(st.text(), st.lists(st.text(), max_size=4), st.text(), st.lists(st.text(), max_size=4))
def test_only_equal_solutions_have_equal_keys(problem: str, steps: list[str], other: str, others: list[str]) -> None:
    one, two = Solution(problem, tuple(steps)), Solution(other, tuple(others))
    assert (solution_key(one, reference=False) == solution_key(two, reference=False)) == (one == two)


def test_half_a_surrogate_pair_has_a_key() -> None:
    assert solution_key(Solution("\ud800", ()), reference=False) != solution_key(Solution("?", ()), reference=False)


# Threads and processes


def test_many_threads(tmp_path: Path) -> None:
    with VerdictStore(tmp_path / "v") as store, ThreadPoolExecutor(8) as pool:

        def work(n: int) -> Verdict | None:
            store.put(JUDGE, str(n % 100), verdict(n % 7))
            return store.get(JUDGE, str(n % 100))

        assert None not in pool.map(work, range(800))
        assert store.count() == 100


def test_many_processes_create_the_file_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"v{attempt}"
        start = FORK.Event()

        def work(number: int, path: Path = path, start: threading.Event = start) -> None:  # type: ignore[assignment]
            start.wait()
            with VerdictStore(path) as store:
                for n in range(20):
                    store.put(JUDGE, f"{number}-{n}", verdict())
                    store.put(JUDGE, f"all-{n}", verdict(number % 7))

        processes = [FORK.Process(target=work, args=(number,)) for number in range(8)]
        for process in processes:
            process.start()
        start.set()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 8
        with VerdictStore(path) as store:
            assert store.count() == 8 * 20 + 20


def test_used_on_both_sides_of_a_fork_while_threads_write(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        stop = threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set():
                store.put(JUDGE, f"parent-{n}", verdict())
                n += 1

        def child() -> None:
            for n in range(50):
                store.put(JUDGE, f"child-{os.getpid()}-{n}", verdict())

        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert [run(child) for _ in range(10)] == [0] * 10
        finally:
            stop.set()
            thread.join()
        store.put(JUDGE, "parent-again", verdict())
        assert store.get(JUDGE, "parent-again") == verdict()
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT count(*) FROM verdicts WHERE solution LIKE 'child-%'").fetchone() == (500,)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


def test_what_was_put_survives_kill_9(tmp_path: Path) -> None:
    """Processes write and tell what was committed; they are killed at random moments, the first one mostly while it
    creates the file; each promise is kept and the file is whole."""
    path = tmp_path / "v"
    rng = random.Random(0)
    promised: set[str] = set()
    for attempt in range(25):
        reader, writer = os.pipe()

        def work(attempt: int = attempt, writer: int = writer) -> None:
            with VerdictStore(path) as store:
                for n in range(100_000):
                    key = f"{attempt}-{os.getpid()}-{n}"
                    store.put(JUDGE, key, verdict())
                    os.write(writer, f"{key}\n".encode())

        processes = [FORK.Process(target=work) for _ in range(2)]
        for process in processes:
            process.start()
        os.close(writer)
        time.sleep(rng.random() * 0.04)
        for process in processes:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        with os.fdopen(reader) as stream:
            promised.update(line.strip() for line in stream if line.endswith("\n"))
        for process in processes:
            process.join(60)
    assert len(promised) > 100
    with VerdictStore(path) as store:
        assert store.get_many(JUDGE, sorted(promised)).keys() == promised
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


# What it refuses


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as problem:
        VerdictStore(path)
    assert str(path) in str(problem.value)
    return problem.value


@pytest.mark.parametrize("content", [b"x", b"{}\n", b"garbage " * 1000, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_another_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v"
    path.write_bytes(content)
    refused(path)
    assert path.read_bytes() == content


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "v"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE verdicts (judge TEXT)")
    raw.commit()
    raw.close()
    content = path.read_bytes()
    assert "not a verdict store" in refused(path).what
    assert path.read_bytes() == content


def test_a_store_of_a_later_version(tmp_path: Path) -> None:
    path = tmp_path / "v"
    VerdictStore(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    assert "version 99" in refused(path).what


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_torn_store(tmp_path: Path, share: float) -> None:
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        for n in range(2000):
            store.put(JUDGE, str(n), verdict())
    with path.open("rb+") as stream:
        stream.truncate(int(path.stat().st_size * share))
    refused(path)


def test_garbage_in_the_middle_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        for n in range(2000):
            store.put(JUDGE, str(n), verdict())
    with path.open("rb+") as stream:
        size = path.stat().st_size
        stream.seek(4096 * 3)
        stream.write(random.Random(0).randbytes(size - 4096 * 3))
    with pytest.raises(UserError, match="damaged"), VerdictStore(path) as store:
        store.get_many(JUDGE, [str(n) for n in range(2000)])


def test_a_row_that_is_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        store.put(JUDGE, "k", verdict())
        raw = sqlite3.connect(path)
        raw.execute("UPDATE verdicts SET first_error = 9")
        raw.commit()
        raw.close()
        with pytest.raises(UserError, match="not a verdict"):
            store.get(JUDGE, "k")


def test_a_directory_and_a_path_through_a_file(tmp_path: Path) -> None:
    refused(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        VerdictStore(tmp_path / "file" / "v")


def test_a_place_where_one_may_not_write(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        store.put(JUDGE, "k", verdict())
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    above = tmp_path.parents[:2]
    for parent in above:
        parent.chmod(0o755)

    def work() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        for place in (path, tmp_path / "new", tmp_path / "new" / "v"):
            try:
                with VerdictStore(place) as store:
                    store.put(JUDGE, "l", verdict())
            except UserError as problem:
                assert "cannot write" in problem.what
            else:
                raise AssertionError(place)

    try:
        assert run(work) == 0
    finally:
        for parent in (tmp_path, *above):
            parent.chmod(0o700)


def test_no_space(tmp_path: Path) -> None:
    path = tmp_path / "v"

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        n = 0
        try:
            with VerdictStore(path) as store:
                for n in range(100_000):
                    store.put(JUDGE, str(n), verdict())
        except SgpoError as problem:
            assert isinstance(problem, RunFailed) and str(path) in problem.what
            (tmp_path / "count").write_text(str(n))

    assert run(work) == 0
    with VerdictStore(path) as store:
        assert store.count() == int((tmp_path / "count").read_text()) > 0


def test_full_database_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        store.put(JUDGE, "k", verdict())
        with store._open() as connection:
            connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(RunFailed, match="no space left"):
            for n in range(1000):
                store.put(JUDGE, str(n), verdict())
        assert store.get(JUDGE, "k") == verdict()


def test_locked_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_WAIT_S", 0.1)
    path = tmp_path / "v"
    with VerdictStore(path) as store:
        raw = sqlite3.connect(path, isolation_level=None)
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(RunFailed, match="locked by another process"):
            store.put(JUDGE, "k", verdict())
        assert store.get(JUDGE, "k") is None  # who reads does not wait
        raw.execute("ROLLBACK")
        raw.close()
        store.put(JUDGE, "k", verdict())
        assert store.count() == 1


# File systems shared by machines


def journal_of(path: Path) -> str:
    raw = sqlite3.connect(path)
    mode = str(raw.execute("PRAGMA journal_mode").fetchone()[0])
    raw.close()
    return mode


def test_no_write_ahead_log_on_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    VerdictStore(tmp_path / "local").close()
    assert journal_of(tmp_path / "local") == "wal"
    monkeypatch.setattr(store_module, "on_network", lambda path: True)
    for name in ("local", "remote"):  # one that was brought there, and a new one
        with VerdictStore(tmp_path / name) as store, VerdictStore(tmp_path / name) as other:
            store.put(JUDGE, "k", verdict())
            assert other.get(JUDGE, "k") == verdict()
        assert journal_of(tmp_path / name) == "delete"


def test_knows_network_file_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mount:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    mounts = [Mount("/", "ext4"), Mount("/net", "nfs4"), Mount("/net/here", "xfs"), Mount("/lab", "lustre")]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    places = ["/a/v", "/net/v", "/net/runs/v", "/net/here/v", "/network/v", "/lab/x/y/v"]
    assert [on_network(Path(place)) for place in places] == [False, True, True, False, False, True]
