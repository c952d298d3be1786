"""`sgpo judge` on a million rows: memory of all its processes and time on one core, by formats of input and output.

    python benchmarks/judge_million.py [--rows 1000000] [--pairs jsonl:jsonl,parquet:parquet] [--json]

Rows are solutions of the built-in task `hops`, 70% of them with a wrong step, judged by `hops_oracle`. Each pair is one
`sgpo judge` process held to one core; its memory is the largest sum of resident sets, its children's included, seen in
samples a twentieth of a second apart. Every
output is read again: as many rows as went in, in order, each with the verdict that its label says.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from sgpo_cli.data import hops
from sgpo_cli.judging.labelling import formats
from sgpo_cli.recipe.schema import HopsTask

PAIRS = "jsonl:jsonl,parquet:parquet,jsonl:parquet,parquet:folder,jsonl:stepwise"
MEMORY_MB, MINUTES = 600, 10


def rows(count: int) -> Iterator[dict[str, Any]]:
    task, rng = HopsTask(), random.Random(0)
    known = hops.facts(task)
    for number in range(count):
        start = rng.randrange(task.entities)
        relations = [rng.randrange(task.relations) for _ in range(task.hops)]
        chain = known.chain(start, relations)
        steps, wrong = hops.solution_text(chain).split("\n"), -1
        if rng.random() < 0.7:
            wrong = rng.randrange(task.hops)
            steps[wrong] = f"e{(chain[wrong] + 1) % task.entities}"
        problem = hops.problem_text(start, relations)
        meta = {"number": number, "half": number / 2, "note": "é", "none": None}
        yield {"id": f"row-{number}", "problem": problem, "steps": steps, "first_error": wrong, "meta": meta}


def make_inputs(folder: Path, count: int, kinds: set[str]) -> dict[str, Path]:
    """The same rows in each format; parquet with row groups of the library's default size."""
    paths = {kind: folder / f"in.{kind}" for kind in kinds}
    if "jsonl" in kinds:
        with paths["jsonl"].open("w") as stream:
            for row in rows(count):
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    if "parquet" in kinds:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pylist(list(rows(min(count, 1000))))
        with pq.ParquetWriter(paths["parquet"], table.schema) as writer:
            every = rows(count)
            parts = iter(lambda: [row for _, row in zip(range(100_000), every, strict=False)], [])
            tables = [pa.Table.from_pylist(part, schema=table.schema) for part in parts]
            writer.write_table(pa.concat_tables(tables), row_group_size=1 << 20)
    return paths


def measure(command: list[str], cwd: Path) -> dict[str, float]:
    """Seconds, and megabytes of the process and its children together."""
    core = min(os.sched_getaffinity(0))
    before = _cpu()
    began = time.perf_counter()
    child = subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    peak = 0
    while child.poll() is None:
        peak = max(peak, _resident(child.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    assert child.stdout is not None
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}: {child.stdout.read()}")
    return {"seconds": seconds, "cpu_s": _cpu() - before, "peak_mb": peak / 1e6}


def _cpu() -> float:
    """Seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def check(out: Path, kind: str, schema: str, count: int) -> None:
    """Every row is there, in order, unchanged, with its verdict."""
    seen = 0
    for given, row in zip(rows(count), formats.read(out, kind), strict=True):  # type: ignore[arg-type]
        seen += 1
        wrong = given["first_error"]
        if schema == "stepwise":
            right = [wrong < 0 or step < wrong for step in range(len(given["steps"]))]
            assert row == {"prompt": given["problem"], "completions": given["steps"], "labels": right}, row
        else:
            assert row["verdict"]["first_error"] == wrong, row
            assert {name: row[name] for name in given} == given, row
    assert seen == count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", default=PAIRS, help="input:output, with output jsonl, parquet, folder or stepwise")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    pairs = [tuple(pair.split(":")) for pair in asked.pairs.split(",")]
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = make_inputs(folder, asked.rows, {source for source, _ in pairs})
        for source, target in pairs:
            kind, schema = ("jsonl", "stepwise") if target == "stepwise" else (target, "rows")
            out = folder / f"out-{source}-{target}{'/' if kind == 'folder' else '.' + kind}"
            named = f"{out}/" if kind == "folder" else str(out)
            command = [sys.executable, "-m", "sgpo_cli", "judge", str(inputs[source]), "--out", named]
            told = measure([*command, "--judge", "hops_oracle", "--schema", schema, "--json"], folder)
            check(out, kind, schema, asked.rows)
            found.append({"input": source, "output": target, "rows": asked.rows, **told})
            if not asked.json:
                pace = asked.rows / told["seconds"]
                figures = f"{told['seconds']:7.1f} s (CPU {told['cpu_s']:.1f} s) {pace:8,.0f} rows/s"
                print(f"{source:>8} to {target:9} {figures} {told['peak_mb']:6.0f} MB", flush=True)
    if asked.json:
        print(json.dumps(found, indent=2))
    slow = [row for row in found if row["peak_mb"] > MEMORY_MB or row["seconds"] > 60 * MINUTES]
    if slow:
        raise SystemExit(f"beyond {MEMORY_MB} MB or {MINUTES} minutes: {slow}")


if __name__ == "__main__":
    main()
