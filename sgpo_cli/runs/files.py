"""Atomic files and JSON lines.

A reader never sees half a file: `write_text` and `write_json` write beside the target and rename. JSON lines are
appended and flushed; a line torn by a kill is dropped by the readers (`read_jsonl`) and cut off before the next
append (`mend_jsonl`). JSON never holds NaN: a non-finite number becomes null and its reason is put under `reasons`.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sgpo_cli.errors import RunFailed, SgpoError, UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def _as_error(problem: OSError, path: Path) -> SgpoError:
    if problem.errno in _FULL:
        return RunFailed(f"no space left to write {path}", fix="free some disk, then run the same command again")
    if problem.errno in _REFUSED:
        return UserError(f"cannot write {path}: {problem.strerror}", fix="choose a directory you may write to")
    if problem.errno in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}:
        return UserError(f"cannot write {path}: {problem.strerror}")
    return RunFailed(f"cannot write {path}: {problem}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals (disk full, no permission) into errors a person can read."""
    try:
        yield
    except OSError as problem:
        raise _as_error(problem, path) from problem


def make_dir(path: Path) -> Path:
    """Creates `path` with its parents; a refusal is a `UserError` that names it."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def check_writable(path: Path, option: str) -> None:
    """`UserError` that names the option when `write_text` could not write `path`; leaves nothing behind."""
    if path.is_dir():
        raise UserError(f"{option} {path} is a directory", fix=f"name a file in it: {option} {path / 'FILE'}")
    if path.exists() and not path.is_file():
        raise UserError(f"{option} {path} is no regular file", fix="name another file")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        handle, name = tempfile.mkstemp(dir=parent, prefix=f".{path.name}.")
    except OSError as problem:
        raise UserError(f"{option}: cannot write {path}: {problem.strerror}", fix="name another file") from None
    os.close(handle)
    Path(name).unlink()


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by `text`, atomically and durably."""
    make_dir(path.parent)
    with writing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def clean(value: Any, reasons: dict[str, str] | None = None, path: str = "") -> Any:
    """`value` with plain JSON types; a non-finite float becomes None and is named in `reasons` by its dotted path."""
    if isinstance(value, float) and not math.isfinite(value):
        if reasons is not None:
            reasons[path] = f"not finite: {value}"
        return None
    if isinstance(value, Mapping):
        return {str(k): clean(v, reasons, f"{path}.{k}" if path else str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(v, reasons, f"{path}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    return value


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text without NaN; reasons for nulls made here are added under `reasons` when `value` is an object."""
    reasons: dict[str, str] = {}
    plain = clean(value, reasons)
    if reasons and isinstance(plain, dict):
        plain["reasons"] = {**reasons, **plain.get("reasons", {})}
    return json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The document at `path`; a missing or broken file is a `UserError` that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise UserError(f"not JSON: {problem}", where=str(path)) from None


class JsonLines:
    """Appends rows to a JSON-lines file; each row is flushed, `sync()` makes them durable."""

    def __init__(self, path: Path) -> None:
        make_dir(path.parent)
        mend_jsonl(path)
        self.path = path
        with writing(path):
            self._stream: IO[str] = path.open("a", encoding="utf-8")

    def append(self, row: Mapping[str, Any]) -> None:
        with writing(self.path):
            self._stream.write(to_json(row) + "\n")
            self._stream.flush()

    def extend(self, rows: Iterable[Mapping[str, Any]]) -> None:
        with writing(self.path):
            self._stream.write("".join(to_json(row) + "\n" for row in rows))
            self._stream.flush()

    def sync(self) -> None:
        with writing(self.path):
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        with writing(self.path):  # closing writes what a full disk did not take before
            self._stream.close()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The whole rows of a file that we wrote; a torn last line is dropped, a missing file has no rows."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)


def mend_jsonl(path: Path) -> None:
    """Cuts a torn last line off, so that the next append starts on a line of its own."""
    if not path.exists():
        return
    with writing(path), path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            stream.seek(start)
            block = stream.read(end - start)
            cut = block.rfind(b"\n")
            if cut >= 0:
                stream.truncate(start + cut + 1)
                return
            end = start
        stream.truncate(0)


def keep_jsonl(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Rewrites a JSON-lines file with the rows that `keep` accepts, atomically (used to cut back to a checkpoint)."""
    if path.exists():
        write_text(path, "".join(to_json(row) + "\n" for row in read_jsonl(path) if keep(row)))


def remove_tree(path: Path) -> None:
    """Removes a directory tree, or only the link when `path` is a link."""
    with writing(path):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
