"""The files of a labelling job: OUT.partial grows, a sidecar says what it is of, the last act is a rename.

- `OUT.partial`: whole rows, in order; a line torn by a kill is cut off. It is locked while a process writes it.
- `OUT.partial.json`: which input, judge and shard it is of.
- `OUT.meta.json`: the same for a finished OUT, with OUT's digest, so that a complete one is known again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from sgpo_cli.errors import UserError
from sgpo_cli.judging.label_rows import Row
from sgpo_cli.runs.files import make_dir, mend_jsonl, read_json, read_jsonl, to_json, write_json, writing

_SYNC_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """What a labelled file is of; equal jobs give equal files."""

    input_sha256: str
    judge: str
    fingerprint: str
    shard: tuple[int, int]
    rows: int

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "shard": list(self.shard)}


class LabelStore:
    """The output of one job; a context manager that holds the lock from `with` to its end."""

    def __init__(self, out: Path, job: Job, *, overwrite: bool) -> None:
        self.out = out
        self.job = job
        self.overwrite = overwrite
        self.partial = out.with_name(out.name + ".partial")
        self._partial_meta = out.with_name(out.name + ".partial.json")
        self._meta = out.with_name(out.name + ".meta.json")
        self._stream: IO[bytes] | None = None
        self._synced = time.monotonic()

    def is_complete(self) -> bool:
        """Is OUT already the finished output of this very job?"""
        if not (self.out.is_file() and self._meta.is_file()):
            return False
        return read_json(self._meta) == {**self.job.to_json(), "output_sha256": _digest(self.out)}

    def __enter__(self) -> LabelStore:
        if self.out.is_dir():
            raise UserError(f"{self.out} is a directory", fix="name a file with --out")
        make_dir(self.out.parent)
        self._lock()
        try:
            self._claim()
        except BaseException:
            self._discard_if_empty()
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard_if_empty()
        self._close()

    def _lock(self) -> None:
        with writing(self.partial):
            self._stream = self.partial.open("ab")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise UserError(
                f"another process is writing {self.out}", fix="wait for it, or choose another file with --out"
            ) from None
        # The other process may have finished, and renamed the file, between our opening and our locking.
        if not self.partial.exists() or self.partial.stat().st_ino != os.fstat(self._stream.fileno()).st_ino:
            self._stream.close()
            self._lock()

    def _claim(self) -> None:
        """Decides whether the files that are there may be gone on with, or replaced."""
        same_partial = self._partial_meta.is_file() and read_json(self._partial_meta) == self.job.to_json()
        fix = "choose another file with --out, or replace it with --overwrite"
        if self.out.exists() and not self.overwrite and not self.is_complete():
            raise UserError(f"{self.out} exists and is not of this input and judge", fix=fix)
        if self.partial.stat().st_size and not same_partial:
            if not self.overwrite:
                what = f"{self.partial} holds the unfinished labels of another input or judge"
                raise UserError(what, fix=fix)
            assert self._stream is not None
            with writing(self.partial):
                self._stream.truncate(0)
        if not self.is_complete() or self.overwrite:
            mend_jsonl(self.partial)
            write_json(self._partial_meta, self.job.to_json())

    def done(self) -> Iterator[Row]:
        """The rows that an earlier, interrupted process wrote; in order."""
        yield from read_jsonl(self.partial)

    def extend(self, rows: Iterable[Row]) -> None:
        """Appends rows; they survive a kill at once, and a power cut after at most about a second."""
        assert self._stream is not None
        with writing(self.partial):
            self._stream.write("".join(to_json(row) + "\n" for row in rows).encode())
            self._stream.flush()
            if time.monotonic() - self._synced >= _SYNC_EVERY_S:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()

    def finish(self) -> None:
        """Makes the partial file OUT. The meta file goes first: with it alone, OUT is still not taken for complete."""
        assert self._stream is not None
        with writing(self.out):
            os.fsync(self._stream.fileno())
            write_json(self._meta, {**self.job.to_json(), "output_sha256": _digest(self.partial)})
            self.partial.replace(self.out)
            self._partial_meta.unlink(missing_ok=True)

    def _discard_if_empty(self) -> None:
        if self.partial.exists() and not self.partial.stat().st_size:
            self.partial.unlink()
            self._partial_meta.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def read_labelled(path: Path) -> Iterator[Row]:
    """The rows of a finished output."""
    with path.open("rb") as stream:
        for line in stream:
            yield json.loads(line)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
