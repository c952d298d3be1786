"""The verdict store: what was judged once is not judged, or paid for, again.

One SQLite file, shared by the ranks of a training run, the shards of `sgpo judge` and later runs. What survives:

- a kill -9 at any moment: every verdict whose `put` returned, and a readable file;
- a power cut: a readable file. On a local disk (write-ahead log, synchronous NORMAL) the verdicts written since the
  last checkpoint may be lost, about 4 MB of log at most; on a network file system every commit is synced.

A write-ahead log needs memory that all its processes share, so all of them run on one machine
(https://www.sqlite.org/wal.html). On a network file system the store keeps a rollback journal instead: slower, and
as sound as that file system's POSIX locks are.

Measured on two cores and a local disk: 23,000 puts a second, each committed, by one process and as many by eight;
55,000 gets; 56 bytes a verdict. With the rollback journal: 480 puts a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from sgpo_cli.errors import RunFailed, SgpoError, UserError
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.runs.files import make_dir

VERSION = 1
_APPLICATION = 0x5347504F  # "SGPO", in the file's header
_WAIT_S = 60.0
_KEYS_A_QUERY = 500
_SMALLEST = 512  # bytes of SQLite's smallest page
_NETWORK = re.compile(
    r"nfs|cifs|smb|lustre|gpfs|beegfs|ceph|afs|9p|fuse|virtiofs|vboxsf|gluster|orangefs|pvfs|gfs2|ocfs2"
)
_SCHEMA = """
CREATE TABLE judges (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);
CREATE TABLE verdicts (
    judge INTEGER NOT NULL REFERENCES judges (id), solution BLOB NOT NULL, first_error INTEGER NOT NULL,
    num_steps INTEGER NOT NULL, checked INTEGER NOT NULL, reason TEXT, name TEXT NOT NULL,
    PRIMARY KEY (judge, solution)
) WITHOUT ROWID;
"""
_FIELDS = "first_error, num_steps, checked, reason, name"
_Row = tuple[int, int, int, str | None, str]


def solution_key(solution: Solution, *, reference: bool) -> str:
    """SHA-256, as hex digits, of what a judge was shown: problem, steps and, where it saw it, the reference."""
    shown = [solution.problem, list(solution.steps), solution.reference if reference else None]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


class VerdictStore:
    """Verdicts by judge (its fingerprint) and solution (its key); usable from any thread, and after a fork.

    Raises `UserError` when the file is something else, damaged or not writable, `RunFailed` when the disk is full or
    another process keeps the file locked for a minute.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._judges: dict[str, int] = {}
        self._closed = False
        make_dir(self.path.parent)
        with self._open():
            pass
        _STORES.add(self)

    def get(self, judge: str, solution_key: str) -> Verdict | None:
        return self.get_many(judge, [solution_key]).get(solution_key)

    def get_many(self, judge: str, keys: Sequence[str]) -> dict[str, Verdict]:
        """The verdicts that there are, by key; keys without one are left out."""
        found: dict[str, Verdict] = {}
        with self._open() as connection:
            number = self._judge(connection, judge)
            for start in range(0, len(keys) if number is not None else 0, _KEYS_A_QUERY):
                asked = {_packed(key): key for key in keys[start : start + _KEYS_A_QUERY]}
                marks = ", ".join("?" * len(asked))
                query = f"SELECT solution, {_FIELDS} FROM verdicts WHERE judge = ? AND solution IN ({marks})"
                for packed, *row in connection.execute(query, (number, *asked)):
                    found[asked[packed]] = self._verdict(tuple(row))
        return found

    def put(self, judge: str, key: str, verdict: Verdict) -> None:
        """Committed when this returns. The first verdict of a judge on a solution stays: equal runs read equal ones.

        ValueError for an abstention: a failure is not kept, so that it is tried again.
        """
        if verdict.abstained:
            raise ValueError(f"an abstention is not stored: {verdict.reason}")
        row = (verdict.first_error, verdict.num_steps, verdict.checked, verdict.reason, verdict.judge)
        with self._open() as connection:
            number = self._judge(connection, judge)
            if number is None:
                connection.execute("INSERT INTO judges (fingerprint) VALUES (?) ON CONFLICT DO NOTHING", (judge,))
                number = self._judge(connection, judge)
            insert = f"INSERT INTO verdicts (judge, solution, {_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            connection.execute(f"{insert} ON CONFLICT DO NOTHING", (number, _packed(key), *row))

    def count(self, judge: str | None = None) -> int:
        """How many verdicts there are, of one judge or of all."""
        with self._open() as connection:
            if judge is None:
                return int(connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])
            query = "SELECT count(*) FROM verdicts WHERE judge = ?"
            return int(connection.execute(query, (self._judge(connection, judge),)).fetchone()[0])

    def close(self) -> None:
        """Closes the file; may be called twice. What is asked of the store afterwards is a ValueError."""
        with self._lock:
            self._closed = True
            self._drop()

    def __enter__(self) -> VerdictStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _judge(self, connection: sqlite3.Connection, fingerprint: str) -> int | None:
        """The number that stands for a judge in this file."""
        if fingerprint not in self._judges:
            row = connection.execute("SELECT id FROM judges WHERE fingerprint = ?", (fingerprint,)).fetchone()
            if row is None:
                return None
            self._judges[fingerprint] = int(row[0])
        return self._judges[fingerprint]

    def _verdict(self, row: _Row) -> Verdict:
        first_error, num_steps, checked, reason, name = row
        try:
            return Verdict.found(first_error, num_steps=num_steps, checked=checked, reason=reason, judge=name)
        except (TypeError, ValueError) as problem:
            raise UserError(f"{self.path} holds what is not a verdict: {problem}", fix=_FIX) from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection, held by one thread at a time, with SQLite's complaints turned into ours."""
        with self._lock:
            if self._closed:
                raise ValueError(f"the verdict store {self.path} is closed")
            try:
                if self._connection is None:
                    self._connection = _connect(self.path)
                yield self._connection
            except sqlite3.Error as problem:
                self._drop()
                raise _as_error(problem, self.path) from problem

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._judges.clear()
        if connection is not None:
            connection.close()


def _packed(key: str) -> bytes | str:
    """A SHA-256 in half the room; any other key as it is."""
    return bytes.fromhex(key) if re.fullmatch("[0-9a-f]{64}", key) else key


def _connect(path: Path) -> sqlite3.Connection:
    """Opens the file, and makes it what it should be when it is new."""
    if path.is_file() and 0 < path.stat().st_size < _SMALLEST:
        raise UserError(f"{path} is not a verdict store", fix=_FIX)  # SQLite would take it for an empty file
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN")  # one view of the file: another process may be making it
        new = _is_new(connection, path)
        connection.execute("COMMIT")
        if new:
            _journal(connection, "delete" if on_network(path) else "wal")
            connection.execute("BEGIN IMMEDIATE")
            if _is_new(connection, path):  # no other process was faster
                for statement in _SCHEMA.split(";")[:-1]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode == "wal" and on_network(path):
            _journal(connection, mode := "delete")
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        connection.execute("SELECT count(*) FROM judges").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Is nothing in the file yet? `UserError` when what is in it is not ours, or is of another version."""
    application, version, objects = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (application, version, objects) == (0, 0, 0):
        return True
    if application != _APPLICATION:
        raise UserError(f"{path} is a database, but not a verdict store", fix=_FIX)
    if version != VERSION:
        raise UserError(f"{path} is a verdict store of version {version}, this sgpo reads {VERSION}", fix=_FIX)
    return False


def _journal(connection: sqlite3.Connection, mode: str) -> None:
    """Sets the journal, which SQLite refuses at once, without waiting, while another process uses the file."""
    began = time.monotonic()
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}")
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() - began > _WAIT_S:
                raise
        time.sleep(0.01)


def on_network(path: Path) -> bool:
    """Is `path` on a file system that several machines may share?"""
    place = str(path.resolve().parent)
    mounts = [part for part in psutil.disk_partitions(all=True) if _is_under(place, part.mountpoint)]
    return bool(mounts) and bool(_NETWORK.match(max(mounts, key=lambda part: len(part.mountpoint)).fstype.lower()))


def _is_under(place: str, mount: str) -> bool:
    return os.path.commonpath([place, mount]) == mount


_FIX = "name another file, or move this one away"


def _as_error(problem: sqlite3.Error, path: Path) -> SgpoError:
    code = getattr(problem, "sqlite_errorcode", -1) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return UserError(f"{path} is damaged, or not a verdict store: {problem}", fix=_FIX)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return UserError(f"cannot write {path}: {problem}", fix="choose a file in a directory you may write to")
    if code == sqlite3.SQLITE_FULL:
        return RunFailed(f"no space left to write {path}", fix="free some disk, then run the same command again")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RunFailed(f"{path} was locked by another process for {_WAIT_S:.0f} s", fix="stop it, or wait for it")
    return RunFailed(f"cannot write {path}: {problem}", fix="is the disk full, or a limit on file sizes reached?")


# A connection does not survive a fork, and spoils the locks of one that the child opens beside it
# (https://www.sqlite.org/howtocorrupt.html, 2.6): it is closed before, and each side opens its own when it is needed.
_STORES: weakref.WeakSet[VerdictStore] = weakref.WeakSet()
_HELD: list[VerdictStore] = []


def _before_fork() -> None:
    for store in list(_STORES):
        store._lock.acquire()
        store._drop()
        _HELD.append(store)


def _after_fork() -> None:
    while _HELD:
        _HELD.pop()._lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
