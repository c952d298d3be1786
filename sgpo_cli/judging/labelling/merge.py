"""Puts the shards of one labelling job together again, in the order of the input; nothing may be missing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.counts import Counts, LabelSummary
from sgpo_cli.judging.labelling.files import Job, LabelStore, read_meta
from sgpo_cli.judging.labelling.items import Origin, Row
from sgpo_cli.judging.labelling.label import Output, finish, finished, open_store
from sgpo_cli.judging.usage import Usage

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Shards:
    """What the merged rows are of. `schema` is None: shards are JSON lines, which have no types."""

    name: str
    columns: LabelColumns
    schema: None = None


def merge(paths: Sequence[Path], output: Output) -> tuple[LabelSummary, LabelColumns]:
    """What came of it, and the columns that the shards were read by.

    Row i of OUT is row i // n of shard i % n, so that it equals what a single process would have written.

    `UserError`: a shard that is unfinished, missing, there twice, changed since, or of another input or judge.
    """
    began = time.monotonic()
    shards = sorted(((read_shard(path), path) for path in paths), key=lambda shard: shard[0].shard)
    job = _whole(shards)
    origin = _Shards(f"{len(shards)} shards", LabelColumns.of(job.columns))
    with open_store(output, job) as store:
        summary = finished(store, began)
        if summary is None:
            summary = combine([path for _, path in shards], origin, output, store, began=began)
    return summary, origin.columns


def read_shard(path: Path) -> Job:
    """What a finished shard is of."""
    told = read_meta(path, "jsonl")
    if told is None:
        partial = path.with_name(path.name + ".partial")
        what = "is not finished yet" if partial.exists() else "is not a finished output of sgpo judge, or was changed"
        raise UserError(f"{path} {what}", fix="run its sgpo judge --shard command again")
    if told["schema"] != "rows" or told["format"] != "jsonl":
        raise UserError(
            f"{path} is not JSON lines of whole rows", fix="label shards to .jsonl; give --schema to --merge"
        )
    index, of = told["shard"]
    return Job(told["input"], told["judge"], told["fingerprint"], (index, of), told["rows"], told["columns"])


def _whole(shards: Sequence[tuple[Job, Path]]) -> Job:
    """The job that the shards are parts of, each of them there once."""
    (first, path), *others = shards
    for job, other in others:
        if replace(job, shard=first.shard, rows=first.rows) != first:
            what = f"{other} and {path} are not shards of one job: their input, judge or columns differ"
            raise UserError(what, fix="merge only what one sgpo judge command with different --shard wrote")
    of = first.shard[1]
    if any(job.shard[1] != of for job, _ in others):
        raise UserError("the shards are of different divisions", fix="merge the shards i/n of one n")
    there = [job.shard[0] for job, _ in shards]
    twice = sorted({index for index in there if there.count(index) > 1})
    if twice:
        raise UserError(f"shard {twice[0]}/{of} is there twice", fix="name every shard once")
    missing = sorted(set(range(of)) - set(there))
    if missing:
        names = ", ".join(f"{index}/{of}" for index in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise UserError(f"of {of} shards, {len(missing)} are missing: {names}", fix="name every shard")
    rows = [job.rows for job, _ in shards]
    known = [count for count in rows if count is not None]
    return replace(first, shard=(0, 1), rows=sum(known) if len(known) == len(rows) else None)


def combine(
    paths: Sequence[Path],
    origin: Origin,
    output: Output,
    store: LabelStore,
    *,
    began: float,
    resumed: int | None = None,
    usage: Usage | None = None,
) -> LabelSummary:
    """Writes the rows of finished shards, in the shards' order, to the store's partial file, and makes OUT of it.

    `resumed`: how many of them were judged before this command; None for all.
    """
    counts = Counts()
    label = origin.columns.first_error or ""
    for row in store.done():  # of a merge that was killed
        counts.add_row(row, row.get(label))
    with ExitStack() as files:
        streams = [files.enter_context(path.open("rb")) for path in paths]
        rows = islice(_in_turn([map(json.loads, stream) for stream in streams]), counts.rows, None)
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            store.extend(part)
            for row in part:
                counts.add_row(row, row.get(label))
    resumed = counts.rows if resumed is None else resumed
    return finish(origin, output, store, counts, resumed=resumed, began=began, usage=usage)


def _in_turn(shards: Sequence[Iterator[Row]]) -> Iterator[Row]:
    """The first of each shard, the second of each, ...; the first shard that has no more ends it."""
    while True:
        for shard in shards:
            row = next(shard, None)
            if row is None:
                return
            yield row
