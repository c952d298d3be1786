"""The offline labelling job behind `sgpo judge IN --out OUT --judge NAME`.

Reads responses and writes the same rows plus `steps` and `verdict` (design.md, "Files others read"). It goes on after a
kill without judging a row twice, keeps a batch in memory and no more, and shows the judge neither labels nor other
rows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling import formats, table
from sgpo_cli.judging.labelling.ask import Asked, ask
from sgpo_cli.judging.labelling.counts import Counts, LabelSummary, Progress
from sgpo_cli.judging.labelling.files import Job, LabelStore
from sgpo_cli.judging.labelling.guard import Guard
from sgpo_cli.judging.labelling.items import Origin, Row, Rows
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.shape import Schema, stepwise
from sgpo_cli.judging.usage import Usage, take_usage
from sgpo_cli.judging.verdict import Judge

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Output:
    """Where labelled rows go and in what form; `overwrite`: whatever is there."""

    path: Path
    kind: formats.Format = "jsonl"
    schema: Schema = "rows"
    overwrite: bool = False

    @classmethod
    def named(cls, out: str, *, schema: Schema = "rows", overwrite: bool = False) -> Output:
        """The format follows from the name; `UserError` when it is that of no format."""
        return cls(Path(out), formats.format_of(out), schema, overwrite)


def label(
    source: Rows,
    output: Output,
    judge: Judge,
    *,
    fingerprint: str,
    shard: tuple[int, int] = (0, 1),
    on_progress: Callable[[Progress], None],
) -> LabelSummary:
    """Judges the rows of `source` whose index i has i % n == k for `shard` (k, n), and writes them to `output`.

    `fingerprint` names the judge with all its settings. `UserError`: a row that cannot be read (with its place; in a
    JSON-lines file before anything is written), an output of something else, or one that another process is writing.
    """
    began = time.monotonic()
    job = prepare(source, output, judge.name, fingerprint, shard)
    with open_store(output, job) as store:
        done = finished(store, began)
        if done is not None:
            return done
        counts = Counts()
        for row in store.done():
            counts.add_row(row, row.get(source.columns.first_error or ""))
        resumed = counts.rows
        if job.rows is not None and resumed > job.rows:
            raise UserError(f"{store.partial} has more rows than the input", fix="use --overwrite")
        usage = _judge_rest(source, judge, store, counts, on_progress)
        return finish(source, output, store, counts, resumed=resumed, began=began, usage=usage)


def prepare(source: Rows, output: Output, judge: str, fingerprint: str, shard: tuple[int, int] = (0, 1)) -> Job:
    """Checks input and output before anything is written; what is to be done."""
    index, of = shard
    if of < 1 or not 0 <= index < of:
        raise UserError(f"no shard {index}/{of}", fix="--shard i/n takes 0 <= i < n: 0/4, 1/4, 2/4, 3/4")
    there = Path(source.name)
    if output.path.exists() and there.exists() and output.path.samefile(there):
        raise UserError("--out is the input itself", fix="choose another file")
    every = source.check()
    total = None if every is None else len(range(index, every, of))
    if total == 0:
        raise UserError(f"shard {index}/{of} of {source.name} has no rows", fix=f"it has {every} in all")
    if isinstance(source, JsonLines) and output.kind != "jsonl" and output.schema == "rows":
        table.infer_schema(source.rows(), source.name)  # told now, not after a day of judging
    return Job(source.identity, judge, fingerprint, shard, total, source.columns.to_json())


def open_store(output: Output, job: Job) -> LabelStore:
    return LabelStore(output.path, job, kind=output.kind, schema=output.schema, overwrite=output.overwrite)


def finished(store: LabelStore, began: float) -> LabelSummary | None:
    """The summary of an output that is complete already."""
    told = None if store.overwrite else store.summary()
    if told is None:
        return None
    counts = Counts.from_json(told["counts"])
    return LabelSummary(
        out=store.out,
        judge=store.job.judge,
        counts=counts,
        written=told["written"],
        left_out=Counter(told["left_out"]),
        resumed=counts.rows,
        complete=True,
        seconds=time.monotonic() - began,
        usage=None,
    )


def _judge_rest(
    source: Rows, judge: Judge, store: LabelStore, counts: Counts, on_progress: Callable[[Progress], None]
) -> Usage | None:
    """Judges what is not in the store yet; what it cost."""
    index, of = store.job.shard
    resumed, guard, usage = counts.rows, Guard(), take_usage(judge)
    began = time.monotonic()

    def keep(asked: Asked) -> None:
        store.extend(item.labelled(verdict) for item, verdict in asked)
        for item, verdict in asked:
            counts.add(verdict, item.label)

    def tell() -> None:
        _add(usage, take_usage(judge))
        rate = (counts.rows - resumed) / max(time.monotonic() - began, 1e-9)
        on_progress(Progress(counts.rows, store.job.rows, counts.abstained, counts.no_error, rate, usage))

    tell()
    for asked in ask(judge, source.items(index + resumed * of, of)):
        keep(guard.passed(asked))
        guard.check()
        tell()
    keep(guard.rest())
    _add(usage, take_usage(judge))
    return usage


def _add(usage: Usage | None, spent: Usage | None) -> None:
    if usage is not None and spent is not None:
        usage.add(spent)


def finish(
    source: Origin,
    output: Output,
    store: LabelStore,
    counts: Counts,
    *,
    resumed: int,
    began: float,
    usage: Usage | None = None,
) -> LabelSummary:
    """Makes OUT of the partial file, which is whole."""
    if not counts.rows:
        raise UserError(f"{source.name} has no rows")
    left_out: Counter[str] = Counter()
    made, written = None, counts.rows
    if output.kind != "jsonl" or output.schema != "rows":
        made = store.scratch()
        written = _export(source, output, store.done, made, left_out)
    store.finish({"counts": counts.to_json(), "written": written, "left_out": dict(left_out)}, made)
    return LabelSummary(
        out=store.out,
        judge=store.job.judge,
        counts=counts,
        written=written,
        left_out=left_out,
        resumed=resumed,
        complete=False,
        seconds=time.monotonic() - began,
        usage=usage,
    )


def _export(
    source: Origin, output: Output, rows: Callable[[], Iterable[Row]], target: Path, left_out: Counter[str]
) -> int:
    """Writes the labelled rows to `target` in the output's format and shape; how many rows it has."""
    if output.schema == "stepwise":
        taught = stepwise(rows(), source.columns, left_out)
        return formats.write(taught, target, output.kind, table.stepwise_schema)
    return formats.write(rows(), target, output.kind, lambda: _columns(source, rows()))


def _columns(source: Origin, rows: Iterable[Row]) -> pa.Schema:
    if source.schema is not None:
        return table.labelled_schema(source.schema, source.columns)
    return table.inferred_schema(rows, source.name)
