"""The labelling job on a Ray cluster: Ray Data hands out parts of the input, each labelled as `--shard` would.

A part is labelled by the same code, into a file of its own under OUT.parts, and goes on by itself after a kill; the
finished parts are put together in the input's order. Input, OUT and verdict store must lie on a disk that all nodes
share. Rows, verdicts and their order are those of a single process.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.errors import RunFailed, SgpoError, UserError
from sgpo_cli.judging.labelling.counts import LabelSummary, Progress
from sgpo_cli.judging.labelling.files import Job
from sgpo_cli.judging.labelling.items import Rows
from sgpo_cli.judging.labelling.label import Output, finished, label, open_store, prepare
from sgpo_cli.judging.labelling.merge import combine
from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Judge
from sgpo_cli.runs.files import make_dir, read_json, remove_tree, write_json

_PARTS_A_WORKER = 4
_TELL_EVERY_S = 1.0
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Cluster:
    """How the work is spread: `workers` processes, each with a judge of its own on `gpus` accelerators (a share of one
    counts as well). None workers: as many as the cluster has cores."""

    workers: int | None = None
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class _Work:
    """What every worker is told; `rows` are checked already."""

    rows: Rows
    open_judge: Callable[[int], Judge]
    fingerprint: str
    folder: Path
    parts: int
    workers: int
    cwd: str

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.jsonl"


def label_with_ray(
    rows: Rows,
    output: Output,
    open_judge: Callable[[int], Judge],
    *,
    judge: str,
    fingerprint: str,
    cluster: Cluster,
    on_progress: Callable[[Progress], None],
) -> LabelSummary:
    """As `label`; `open_judge(n)` opens the judge, named `judge`, in one of n processes that share its concurrency.

    `UserError` when Ray is not installed, or when the rows cannot be counted beforehand.
    """
    began = time.monotonic()
    job = prepare(rows, output, judge, fingerprint)
    if job.rows is None:
        raise UserError(
            f"{rows.name} does not say how many rows it has", fix="leave --engine ray out, or save it first"
        )
    with open_store(output, job) as store:
        done = finished(store, began)
        if done is not None:
            return done
        with _ray() as ray:
            there = ray.cluster_resources()
            gpus = cluster.gpus if there.get("GPU", 0) >= cluster.gpus else 0.0  # asking for more waits for ever
            workers = _workers(cluster.workers, int(there["GPU"] // gpus if gpus else there.get("CPU", 1)), job.rows)
            folder = output.path.absolute().with_name(output.path.name + ".parts")
            parts = _divide(folder, job, workers, overwrite=output.overwrite)
            work = _Work(rows, open_judge, fingerprint, folder, parts, workers, str(Path.cwd()))
            usage, resumed = _run(ray, work, gpus, job.rows, on_progress)
        paths = [work.path(part) for part in range(parts)]
        summary = combine(paths, rows, output, store, began=began, resumed=resumed, usage=usage)
        remove_tree(folder)
        return summary


@contextmanager
def _ray() -> Iterator[Any]:
    """Ray, connected: to the cluster that RAY_ADDRESS names, or to one of its own on this machine."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray needs Ray, which is not installed", fix="pip install 'sgpo-cli[ray]'") from None
    ours = not ray.is_initialized()
    if ours:
        asked_to_stop = signal.getsignal(signal.SIGTERM)
        ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, asked_to_stop)  # Ray put its own in the place of ours
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _workers(wanted: int | None, most: int, rows: int) -> int:
    if wanted is not None and wanted > most:
        raise UserError(f"--workers {wanted}: the cluster has room for {most}", fix=f"--workers {most}, or fewer")
    return max(1, min(wanted or most, rows))


def _divide(folder: Path, job: Job, workers: int, *, overwrite: bool) -> int:
    """How many parts there are: those of an earlier, interrupted run of this job, or some for each worker."""
    told = folder / "job.json"
    if told.is_file():
        before = read_json(told)
        if before["job"] == job.to_json():
            return int(before["parts"])
        if not overwrite:
            raise UserError(
                f"{folder} holds the unfinished labels of another input or judge",
                fix="choose another file with --out, or replace it with --overwrite",
            )
    remove_tree(folder)
    make_dir(folder)
    assert job.rows is not None
    parts = min(job.rows, workers * _PARTS_A_WORKER)
    write_json(told, {"job": job.to_json(), "parts": parts})
    return parts


def _run(
    ray: Any, work: _Work, gpus: float, total: int, on_progress: Callable[[Progress], None]
) -> tuple[Usage | None, int]:
    """Labels all parts; what this run's calls cost, and how many rows an earlier run had judged."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    # Not ray.data.range: reading it needs a core, and when the workers have them all, both wait for ever.
    parts = ray.data.from_items([{"part": part} for part in range(work.parts)], override_num_blocks=work.parts)
    data = parts.map_batches(
        _Worker,
        fn_constructor_args=(work,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=work.workers),
        num_cpus=1,
        num_gpus=gpus,
    )
    came: list[Mapping[str, Any]] = []
    broke: list[BaseException] = []

    def collect() -> None:
        try:
            came.extend(json.loads(row["answer"]) for row in data.iter_rows())
        except BaseException as problem:  # noqa: BLE001  # raised again below, in the thread that can say so
            broke.append(problem)

    thread = threading.Thread(target=collect, name="ray-data", daemon=True)
    thread.start()
    began, first = time.monotonic(), _seen(work)["rows"]
    while thread.is_alive():
        thread.join(_LOOK_EVERY_S)
        seen = _seen(work)
        rate = (seen["rows"] - first) / max(time.monotonic() - began, 1e-9)
        on_progress(Progress(seen["rows"], total, seen["abstained"], seen["no_error"], rate))
    if broke:
        raise RunFailed(
            f"Ray gave up: {str(broke[0]).strip().splitlines()[-1]}", fix="the same command goes on with what is left"
        ) from broke[0]
    return _added(came), sum(row["resumed"] for row in came)


def _seen(work: _Work) -> dict[str, int]:
    """What the workers have told of their parts so far."""
    seen = {"rows": 0, "abstained": 0, "no_error": 0}
    for part in work.folder.glob("*.progress"):
        for name, value in read_json(part).items():
            seen[name] += value
    return seen


def _added(came: Iterable[Mapping[str, Any]]) -> Usage | None:
    """The usage of all parts; a part that failed is raised."""
    usage: Usage | None = None
    for row in came:
        if row["error"] is not None:
            kind = UserError if row["error"]["exit_code"] == UserError.exit_code else RunFailed
            raise kind(row["error"]["what"], where=row["error"]["where"], fix=row["error"]["fix"])
        if row["usage"] is not None:
            usage = usage or Usage()
            usage.add(Usage(**row["usage"]))
    return usage


class _Worker:
    """One process of the cluster, with a judge of its own; labels the parts that it is handed."""

    def __init__(self, work: _Work) -> None:
        os.chdir(work.cwd)
        self.work = work
        self.judge = work.open_judge(work.workers)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"answer": [json.dumps(self._label(int(part))) for part in batch["part"]]}

    def _label(self, part: int) -> dict[str, Any]:
        """An error is a value: Ray would try the part again, and print it at length."""
        work, told = self.work, _Teller(self.work.path(part).with_suffix(".progress"))
        try:
            summary = label(
                work.rows,
                Output(work.path(part)),
                self.judge,
                fingerprint=work.fingerprint,
                shard=(part, work.parts),
                on_progress=told,
            )
        except SgpoError as problem:
            error = {"what": problem.what, "where": problem.where, "fix": problem.fix, "exit_code": problem.exit_code}
            return {"usage": None, "resumed": 0, "error": error}
        counts = summary.counts
        told.write(Progress(counts.rows, counts.rows, counts.abstained, counts.no_error, 0.0))
        return {
            "usage": asdict(summary.usage) if summary.usage else None,
            "resumed": summary.resumed,
            "error": None,
        }


class _Teller:
    """Writes a part's progress where the driver looks, once a second."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told = 0.0

    def __call__(self, now: Progress) -> None:
        if time.monotonic() - self._told >= _TELL_EVERY_S:
            self.write(now)

    def write(self, now: Progress) -> None:
        self._told = time.monotonic()
        write_json(self.path, {"rows": now.done, "abstained": now.abstained, "no_error": now.no_error})
