"""The offline labelling job behind `sgpo judge IN --out OUT --judge NAME`.

Reads responses, one JSON object a line, and writes the same rows plus `steps` and `verdict` (design.md, "Files others
read"). It goes on after a kill without judging a row twice, keeps a batch in memory and no more, and shows the judge
neither labels nor other rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.label_rows import Item, Row, Source
from sgpo_cli.judging.label_store import Job, LabelStore, read_labelled
from sgpo_cli.judging.measure import Measures, Tally, nothing_checked
from sgpo_cli.judging.verdict import Judge, Verdict

BATCH = 64


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the job stands, in rows; `rate` is rows judged a second by this process."""

    done: int
    total: int
    abstained: int
    no_error: int
    rate: float


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """What came out: counts of rows, `resumed` of them judged by an earlier process, and ProcessBench's figures when
    labels were present. `unchecked` rows have a verdict, but nothing in them could be checked. `complete` tells that
    OUT was there already and nothing was done."""

    out: Path
    judge: str
    total: int
    abstained: int
    no_error: int
    unchecked: int
    resumed: int
    complete: bool
    seconds: float
    measures: Measures | None

    def to_json(self) -> dict[str, object]:
        """One object: how it went, the counts under `rows`, and ProcessBench's figures when there were labels.

        `abstained` and `unchecked` are shares: of the labelled rows when there are any, of all rows otherwise.
        `complete`: OUT is whole; `nothing_to_do`: it was before.
        """
        return {
            "out": str(self.out),
            "judge": self.judge,
            "complete": True,  # there is no summary of an output that is not
            "nothing_to_do": self.complete,
            "seconds": self.seconds,
            "rows": {
                "total": self.total,
                "abstained": self.abstained,
                "no_error": self.no_error,
                "unchecked": self.unchecked,
                "resumed": self.resumed,
            },
            "abstained": self.abstained / self.total,
            "unchecked": self.unchecked / self.total,
            **(self.measures.to_json() if self.measures else {}),
        }


@dataclass(slots=True)
class _Counts:
    """What the verdicts so far come to."""

    rows: int = 0
    abstained: int = 0
    no_error: int = 0
    unchecked: int = 0
    labels: Tally = field(default_factory=Tally)

    def add(self, verdict: Verdict, label: int | None) -> None:
        self.rows += 1
        self.abstained += verdict.abstained
        self.no_error += verdict.first_error == -1
        self.unchecked += nothing_checked(verdict)
        if label is not None:
            self.labels.add(verdict, label)

    def add_row(self, row: Row) -> None:
        verdict, label = row.get("verdict"), row.get("first_error")
        if not isinstance(verdict, dict):
            raise UserError("a row without a verdict is among the labels written before", fix="use --overwrite")
        self.add(Verdict.from_json(verdict), label if isinstance(label, int) else None)


def label_file(
    source: Path,
    out: Path,
    judge: Judge,
    *,
    fingerprint: str,
    overwrite: bool = False,
    shard: tuple[int, int] = (0, 1),
    on_progress: Callable[[Progress], None],
) -> LabelSummary:
    """Judges the rows of `source` whose index i has i % n == k for `shard` (k, n), and writes them to `out`.

    `fingerprint` names the judge with all its settings. `UserError`: a row that cannot be read (with file:line, before
    anything is written), an output of something else, an output that another process is writing.
    """
    began = time.monotonic()
    _check_arguments(source, out, shard)
    rows = Source(source)
    every = rows.check()
    total = len(range(shard[0], every, shard[1]))
    if not total:
        raise UserError(f"shard {shard[0]}/{shard[1]} of {source} has no rows", fix=f"the file has {every} in all")
    job = Job(rows.digest, judge.name, fingerprint, shard, total)
    counts = _Counts()
    with LabelStore(out, job, overwrite=overwrite) as store:
        if store.is_complete() and not overwrite:
            for row in read_labelled(out):
                counts.add_row(row)
            return _summary(out, judge, counts, resumed=counts.rows, complete=True, began=began)
        for row in store.done():
            counts.add_row(row)
        resumed = counts.rows
        if resumed > total:
            raise UserError(f"{store.partial} has more rows than the input", fix="use --overwrite")
        _judge_rest(rows, judge, store, counts, job, on_progress)
        store.finish()
    return _summary(out, judge, counts, resumed=resumed, complete=False, began=began)


def _check_arguments(source: Path, out: Path, shard: tuple[int, int]) -> None:
    index, of = shard
    if of < 1 or not 0 <= index < of:
        raise UserError(f"no shard {index}/{of}", fix="--shard i/n takes 0 <= i < n: 0/4, 1/4, 2/4, 3/4")
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError("--out is the input itself", fix="choose another file")


def _judge_rest(
    rows: Source,
    judge: Judge,
    store: LabelStore,
    counts: _Counts,
    job: Job,
    on_progress: Callable[[Progress], None],
) -> None:
    index, of = job.shard
    resumed = counts.rows
    began = time.monotonic()
    items = islice(rows.items(), index, None, of)
    for _ in islice(items, resumed):
        pass
    on_progress(Progress(counts.rows, job.rows, counts.abstained, counts.no_error, 0.0))
    for batch in _batches(items):
        verdicts = judge.judge([item.solution for item in batch])
        if len(verdicts) != len(batch):
            raise RunFailed(f"judge {judge.name} gave {len(verdicts)} verdicts for {len(batch)} solutions")
        store.extend(item.labelled(verdict) for item, verdict in zip(batch, verdicts, strict=True))
        for item, verdict in zip(batch, verdicts, strict=True):
            counts.add(verdict, item.label)
        rate = (counts.rows - resumed) / max(time.monotonic() - began, 1e-9)
        on_progress(Progress(counts.rows, job.rows, counts.abstained, counts.no_error, rate))
    if rows.digest != job.input_sha256:
        raise UserError(f"{rows.path} changed while it was read", fix="run the same command again with --overwrite")


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, BATCH)):
        yield batch


def _summary(out: Path, judge: Judge, counts: _Counts, *, resumed: int, complete: bool, began: float) -> LabelSummary:
    labelled = counts.labels.n_error + counts.labels.n_correct
    return LabelSummary(
        out=out,
        judge=judge.name,
        total=counts.rows,
        abstained=counts.abstained,
        no_error=counts.no_error,
        unchecked=counts.unchecked,
        resumed=resumed,
        complete=complete,
        seconds=time.monotonic() - began,
        measures=counts.labels.measures() if labelled else None,
    )
