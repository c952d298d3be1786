"""The files of a labelling job: OUT.partial grows, a sidecar says what it is of, the last act is a rename.

- `OUT.partial`: whole labelled rows as JSON lines, in order, whatever OUT's format; a line torn by a kill is cut off.
  It is locked while a process writes it.
- `OUT.partial.json`: which input, judge and shard it is of.
- `OUT.writing`: OUT in its own format, made from the whole partial file; begun anew after a kill.
- `OUT.meta.json`: what a finished OUT is of, its digest and its summary, so that a complete one is known again.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling import formats
from sgpo_cli.judging.labelling.items import Row
from sgpo_cli.judging.labelling.parquet import digest_of
from sgpo_cli.runs.files import (
    make_dir,
    mend_jsonl,
    read_json,
    read_jsonl,
    remove_tree,
    write_json,
    writing,
)

_SYNC_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """What labels are of; equal jobs give equal labels. `rows` is None where the input does not tell."""

    input: str
    judge: str
    fingerprint: str
    shard: tuple[int, int]
    rows: int | None
    columns: dict[str, str | None]

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "shard": list(self.shard)}


class LabelStore:
    """The output of one job; a context manager that holds the lock from `with` to its end.

    `tables`: whether OUT can hold numbers that are not finite. JSON lines cannot: there they become null, and the
    reason is put under the row's `reasons`.
    """

    def __init__(
        self,
        out: Path,
        job: Job,
        *,
        kind: formats.Format = "jsonl",
        schema: str = "rows",
        overwrite: bool = False,
    ) -> None:
        self.out = out
        self.job = job
        self.kind = kind
        self.schema = schema
        self.overwrite = overwrite
        self.partial = _beside(out, "partial")
        self._partial_meta = _beside(out, "partial.json")
        self._meta = _beside(out, "meta.json")
        self._stream: IO[bytes] | None = None
        self._synced = time.monotonic()

    def summary(self) -> dict[str, Any] | None:
        """The summary of OUT, if it is already the finished output of this very job."""
        told = read_meta(self.out, self.kind)
        if told is None or {key: told.get(key) for key in self._told()} != self._told():
            return None
        return dict(told["summary"])

    def _told(self) -> dict[str, object]:
        return {**self.job.to_json(), "schema": self.schema, "format": self.kind}

    def __enter__(self) -> LabelStore:
        make_dir(self.out.parent)
        self._lock()
        try:
            self._claim()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        assert self._stream is not None
        fix = "choose another file with --out, or replace it with --overwrite"
        if self.summary() is not None and not self.overwrite:
            with writing(self.partial):
                self._stream.truncate(0)  # left by a kill right after OUT was put in its place
            return
        formats.refuse_to_replace(self.out)
        if self.out.exists() and not self.overwrite:
            raise UserError(f"{self.out} exists and is not of this input and judge", fix=fix)
        if self.partial.stat().st_size and not self._is_ours():
            if not self.overwrite:
                what = f"{self.partial} holds the unfinished labels of another input or judge"
                raise UserError(what, fix=fix)
            with writing(self.partial):
                self._stream.truncate(0)
        mend_jsonl(self.partial)
        write_json(self._partial_meta, self.job.to_json())

    def _is_ours(self) -> bool:
        return self._partial_meta.is_file() and read_json(self._partial_meta) == self.job.to_json()

    def done(self) -> Iterator[Row]:
        """The rows that are in the partial file: those of an earlier, interrupted process, at last all; in order."""
        yield from read_jsonl(self.partial)

    def extend(self, rows: Iterable[Row]) -> None:
        """Appends rows; they survive a kill at once, and a power cut after at most about a second."""
        assert self._stream is not None
        with writing(self.partial):
            self._stream.write("".join(formats.json_line(row, finite=self.kind == "jsonl") for row in rows).encode())
            self._stream.flush()
            if time.monotonic() - self._synced >= _SYNC_EVERY_S:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()

    def scratch(self) -> Path:
        """Where OUT may be made in its own format; nothing is there."""
        made = _beside(self.out, "writing")
        remove_tree(made)
        return made

    def finish(self, summary: dict[str, Any], made: Path | None = None) -> None:
        """Puts OUT in its place: the partial file itself, or what was `made` of it.

        The meta file goes first: with it alone, OUT is still not taken for complete.
        """
        assert self._stream is not None
        with writing(self.out):
            os.fsync(self._stream.fileno())
            made = made or self.partial
            _sync(made)
            write_json(self._meta, {**self._told(), "output_sha256": _digest(made), "summary": summary})
            formats.replace(made, self.out)
            self.partial.unlink(missing_ok=True)
            self._partial_meta.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._stream is None:
            return
        if self.partial.exists() and not self.partial.stat().st_size:
            self.partial.unlink()
            self._partial_meta.unlink(missing_ok=True)
        self._stream.close()
        self._stream = None


def read_meta(out: Path, kind: formats.Format) -> dict[str, Any] | None:
    """What a finished OUT says of itself; None when it is not there, or is no longer what was written."""
    meta = _beside(out, "meta.json")
    if not meta.is_file() or not (out.is_dir() if kind == "folder" else out.is_file()):
        return None
    told = read_json(meta)
    return told if isinstance(told, dict) and told.get("output_sha256") == _digest(out) else None


def _beside(out: Path, what: str) -> Path:
    return out.with_name(f"{out.name}.{what}")


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _digest(path: Path) -> str:
    return digest_of(_files(path))


def _sync(path: Path) -> None:
    for file in _files(path):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
