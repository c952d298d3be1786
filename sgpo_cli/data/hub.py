"""Rows of a data set that the `datasets` library opens: a saved folder, a folder of parquet or JSONL, a hub id."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset


def read_dataset(
    source: str, *, split: str, config: str | None, revision: str | None, limit: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`source row N`, values) of each row of one split; rows are counted from 0.

    Raises:
        UserError: no such folder or data set, no such split or configuration, an unreadable file, or no network.
    """
    data = _saved(Path(source), split) if _is_saved(Path(source)) else _opened(source, split, config, revision)
    if limit is not None:
        data = data.select(range(min(limit, len(data))))
    for number, values in enumerate(data):
        yield f"{source} row {number}", dict(values)


def _is_saved(path: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def _saved(path: Path, split: str) -> Dataset:
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(path))
    except (OSError, ValueError) as problem:
        raise UserError(f"cannot open this saved data set: {_first_line(problem)}", where=str(path)) from problem
    if not isinstance(found, DatasetDict):
        return found
    if split not in found:
        raise _no_such("split", split, found, str(path))
    return found[split]


def _opened(source: str, split: str, config: str | None, revision: str | None) -> Dataset:
    if source.startswith((".", "/", "~")) and not Path(source).expanduser().exists():
        raise UserError("no such file or folder", where=source)
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    quiet = datasets.utils.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    try:
        return datasets.load_dataset(source, config, split=split, revision=revision)
    except DatasetNotFoundError as problem:
        raise _unreachable(source, problem) from problem
    except ValueError as problem:
        raise _bad_choice(source, split, config, problem) from problem
    except (datasets.exceptions.DatasetGenerationError, datasets.exceptions.DataFilesNotFoundError) as problem:
        reason = _first_line(problem.__cause__ or problem)
        raise UserError(f"cannot read this data set: {reason}", where=source) from problem
    except hub_errors() as problem:
        raise _unreachable(source, problem) from problem
    finally:
        datasets.utils.logging.set_verbosity(quiet)


def hub_errors() -> tuple[type[Exception], ...]:
    """What calls of the hub raise when it is out of reach: the operating system's errors, and those of the HTTP library
    that huggingface_hub uses (another one in other versions), which are no OSError before an answer has come."""
    from huggingface_hub.errors import HfHubHTTPError

    return tuple(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))


def _bad_choice(source: str, split: str, config: str | None, problem: ValueError) -> UserError:
    """A split or configuration that is not there, said with those that are."""
    import datasets

    refused: tuple[type[Exception], ...] = (*hub_errors(), ValueError)
    try:
        names = datasets.get_dataset_config_names(source)
        if (config is not None and config not in names) or (
            config is None and len(names) > 1 and "default" not in names
        ):
            return _no_such("config", config or "default", names, source)
        splits = datasets.get_dataset_split_names(source, config)
    except refused:
        return UserError(f"cannot open this data set: {_first_line(problem)}", where=source)
    if split.split("[")[0] not in splits:
        return _no_such("split", split, splits, source)
    return UserError(f"cannot open this data set: {_first_line(problem)}", where=source)


def _no_such(what: str, name: str, there: Iterable[str], source: str) -> UserError:
    names = list(there)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"there is no {what} {name!r}; {hint}{what}s here: {', '.join(names)}", where=source)


class HubUnreachable(UserError):
    """The hub gives no such data set, or none now; a type of its own, so that whoever asked can say what to type."""


def _unreachable(source: str, problem: Exception) -> UserError:
    return HubUnreachable(
        f"neither a local file or folder, nor a data set that the hub gives us now ({_first_line(problem)})",
        where=source,
        fix="check the name and the network; a local JSONL file can stand in: data.source=FILE in a recipe",
    )


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
