"""Rows that `datasets` opens: a folder it saved, and, as a stream, a hub id or a folder of parquet or JSONL files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.data.hub import HubUnreachable, hub_errors
from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.items import Item, read_item
from sgpo_cli.judging.labelling.parquet import check_schema, digest_of, picked

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1024


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


class Saved:
    """A folder written by `save_to_disk`; `split` picks one of a folder of several."""

    def __init__(self, folder: Path, columns: LabelColumns | None = None, *, split: str | None = None) -> None:
        self.folder = folder
        self.name = str(folder)
        self.columns = columns or LabelColumns()
        self.split = split
        self.identity = ""
        self.schema: pa.Schema | None = None
        self._data: Any = None

    def check(self) -> int:
        if self.identity:
            return len(self._data)
        self._data = self._open()
        self.schema = self._data.features.arrow_schema
        check_schema(self.schema, self.columns, self.name)
        if not len(self._data):
            raise UserError(f"{self.folder} has no rows")
        # Files that record when and how it was saved say nothing of its rows.
        files = sorted(path for path in self.folder.rglob("*") if path.suffix == ".arrow")
        self.identity = f"{digest_of(files)} {self.split or ''}".strip()
        return len(self._data)

    def items(self, start: int = 0, step: int = 1) -> Iterator[Item]:
        data = (self._data or self._open()).with_format("arrow")
        at = start - start % _ROWS_AT_ONCE
        tables = (data[i : i + _ROWS_AT_ONCE] for i in range(at, len(data), _ROWS_AT_ONCE))
        for index, row in picked(tables, start, step, at=at):
            yield read_item(row, f"{self.folder} row {index}", self.columns)

    def _open(self) -> Any:
        from datasets import DatasetDict, load_from_disk

        try:
            found = load_from_disk(str(self.folder))
        except (OSError, ValueError) as problem:
            raise UserError(f"cannot open this saved data set: {_first_line(problem)}", where=self.name) from problem
        if not isinstance(found, DatasetDict):
            if self.split is not None:
                raise UserError(f"{self.folder} is one split, not several", fix="leave --split out")
            return found
        if (self.split or "train") not in found:
            wanted = self.split or "train"
            fix = f"name one of them with --split: {', '.join(found)}"
            raise UserError(f"there is no split {wanted!r}", where=self.name, fix=fix)
        return found[self.split or "train"]


class Streamed:
    """A hub id, or a folder of data files, read as a stream: nothing is kept on this disk, rows are checked as they
    come. What a resumed job has done already is read past.

    A hub's rows are those of one commit: the newest of `revision` when the job begins.
    """

    def __init__(
        self,
        source: str,
        columns: LabelColumns | None = None,
        *,
        split: str | None = None,
        config: str | None = None,
        revision: str | None = None,
    ) -> None:
        self.source = source
        self.name = source
        self.columns = columns or LabelColumns()
        self.split, self.config, self.revision = split or "train", config, revision
        self.identity = ""
        self.schema: pa.Schema | None = None
        self._data: Any = None

    def check(self) -> int | None:
        folder = Path(self.source)
        if folder.is_dir():
            content = digest_of(sorted(path for path in folder.rglob("*") if path.is_file()))
        else:
            content = self.revision = _commit(self.source, self.revision)
        self.identity = " ".join([content, self.config or "", self.split])
        self._data = self._open()
        if self._data.features is not None:
            self.schema = self._data.features.arrow_schema
            check_schema(self.schema, self.columns, self.name)
        known = (self._data.info.splits or {}).get(self.split)
        return known.num_examples or None if known is not None else None

    def items(self, start: int = 0, step: int = 1) -> Iterator[Item]:
        data = self._data or self._open()
        stream = iter(data.skip(start) if start else data)
        index = start - 1
        while True:
            try:
                row = next(stream, None)
            except hub_errors() as problem:
                what = f"{self.source} broke off after row {index}: {_first_line(problem)}"
                raise RunFailed(what, fix="the labels so far are kept; the same command goes on") from problem
            except Exception as problem:  # what a reader of another's files raises is its own affair
                raise UserError(
                    f"cannot read on: {_first_line(problem)}", where=f"{self.source} row {index + 1}"
                ) from problem
            if row is None:
                return
            index += 1
            if (index - start) % step == 0:
                yield read_item(row, f"{self.source} row {index}", self.columns)

    def _open(self) -> Any:
        import datasets
        from datasets.exceptions import DatasetNotFoundError

        quiet = datasets.utils.logging.get_verbosity()
        datasets.utils.logging.set_verbosity_error()
        try:
            return datasets.load_dataset(
                self.source, self.config, split=self.split, revision=self.revision, streaming=True
            )
        except DatasetNotFoundError as problem:
            raise _unreachable(self.source, problem) from problem
        except ValueError as problem:  # no such split or configuration: it names those that there are
            raise UserError(f"cannot open it: {_first_line(problem)}", where=self.source) from problem
        except hub_errors() as problem:
            raise _unreachable(self.source, problem) from problem
        finally:
            datasets.utils.logging.set_verbosity(quiet)


def _commit(source: str, revision: str | None) -> str:
    """The commit that `revision` of a hub's data set is at now."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        commit = HfApi().dataset_info(source, revision=revision).sha
    except HFValidationError:
        raise UserError(f"no such file or folder: {source}") from None
    except hub_errors() as problem:
        raise _unreachable(source, problem) from problem
    if commit is None:
        raise UserError("the hub does not say at which commit it is", where=source)
    return commit


def _unreachable(source: str, problem: Exception) -> UserError:
    return HubUnreachable(
        f"neither a local file or folder, nor a data set that the hub gives us now ({_first_line(problem)})",
        where=source,
        fix="check the name and the network; a local JSONL or parquet file will do",
    )


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
