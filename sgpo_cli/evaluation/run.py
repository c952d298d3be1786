"""The sampling evaluation: k answers a problem from an engine, graded; killed at any moment, it goes on where it was.

Every sample has a seed of its own (from the evaluation's seed, the problem's id and the sample's number), so that no
sample depends on which others are drawn. The batches of a *go* are fixed before the first is run, so that no number
depends on where it was interrupted either. A finished batch is one line of `drawn.jsonl`, on disk before the next
begins. The file stays: more samples a problem are a further go over the missing ones; other settings start it anew.

Similar lengths share a batch, the longest first (memory runs out at once or not at all); the results are ordered by
problem and sample.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.evaluation.bench import Bench
from sgpo_cli.evaluation.summary import Origin, Scored, engine_failed, summarise
from sgpo_cli.generation.engine import Engine
from sgpo_cli.generation.prompts import Prompt
from sgpo_cli.runs.files import JsonLines, read_jsonl, to_json, write_json, write_text
from sgpo_cli.verify.grader import AnyGrader

Progress = Callable[[int, int], None]
Render = Callable[[str], Prompt]
DRAWN = "drawn.jsonl"
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to draw: the problem's place in the bench, and which of its k samples."""

    problem: int
    sample: int


@dataclass(frozen=True, slots=True)
class Go:
    """Samples `first` to `end` (exclusive) of every problem, drawn at one go."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One response as the engine gave it; `failed`: why there is none."""

    request: Request
    response: str
    truncated: bool
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the samples depend on besides bench and engine: the weights' name, the seed, the batches' size."""

    model: str
    seed: int
    batch_size: int


def evaluate(
    bench: Bench,
    engine: Engine,
    out_dir: Path,
    *,
    model: str,
    seed: int,
    batch_size: int,
    grader: AnyGrader,
    on_progress: Progress,
    k: int | None = None,
    render: Render = str,
) -> dict[str, Any]:
    """Draws and grades k samples a problem; writes samples.jsonl and summary.json into `out_dir`, returns the summary.

    `model` names the weights (it belongs to what kept samples must agree with to count); `render` makes the engine's
    prompt of the user's turn (chat messages, or the text as it is); `on_progress(done, total)` counts samples drawn.
    Sampling is the bench's. Raises what the engine raises; everything drawn before is kept.
    """
    k = bench.k if k is None else k
    if k < 1 or batch_size < 1:
        raise UserError(f"k and the batch size must be at least 1, got k={k}, batch size {batch_size}")
    refuse_greedy(bench.name, k, bench.sampling.temperature)
    settings = Settings(model, seed, batch_size)
    drawn, seconds = draw(
        bench, engine, out_dir / DRAWN, k=k, settings=settings, on_progress=on_progress, render=render
    )
    started = time.monotonic()
    samples = grade_drawn(bench, drawn, grader)
    summary = summarise(
        samples,
        bench=bench.name,
        kind=bench.kind,
        n_problems=len(bench.rows),
        k=k,
        origin=Origin(engine.name, asdict(bench.sampling) | {"seed": seed}, model),
        seconds=seconds + time.monotonic() - started,
        notes=bench.notes,
    )
    write_text(out_dir / "samples.jsonl", "".join(to_json(sample.row()) + "\n" for sample in samples))
    write_json(out_dir / "summary.json", summary)
    return summary


def refuse_greedy(bench: str, k: int, temperature: float) -> None:
    """`UserError` where several samples of a problem would all be the same."""
    if k > 1 and temperature == 0:
        raise UserError(
            f"bench {bench}: temperature 0 draws the same answer {k} times", fix="--k 1, or a temperature above 0"
        )


def plan_batches(prompts: Sequence[Prompt], go: Go, batch_size: int) -> list[tuple[Request, ...]]:
    """The batches of a go, a pure function of its arguments."""
    lengths = [len(str(prompt)) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda place: (-lengths[place], place))
    requests = [Request(place, sample) for place in order for sample in range(go.first, go.end)]
    return [tuple(requests[start : start + batch_size]) for start in range(0, len(requests), batch_size)]


def sample_seed(seed: int, problem: str, sample: int) -> int:
    """31 bits: what every engine takes as a seed."""
    return int.from_bytes(hashlib.sha256(to_json([seed, problem, sample]).encode()).digest()[:4]) >> 1


def draw(
    bench: Bench,
    engine: Engine,
    file: Path,
    *,
    k: int,
    settings: Settings,
    on_progress: Progress,
    render: Render,
) -> tuple[list[Drawn], float]:
    """All samples by (problem, sample), and the seconds that drawing them took over all attempts."""
    prompts = [render(bench.ask(row)) for row in bench.rows]
    key = _key(bench, engine.name, settings, prompts)
    rows = _kept(file, key)
    goes = [Go(*row["go"]) for row in rows if "go" in row and "batch" not in row]
    new: list[dict[str, Any]] = [] if rows else [{"key": key}]
    have = max((go.end for go in goes), default=0)
    if have < k:
        goes.append(Go(have, k))
        new.append({"go": [have, k]})
    finished = {(tuple(row["go"]), row["batch"]): row for row in rows if "batch" in row}
    total = len(prompts) * k
    drawn: list[Drawn] = []
    seconds = 0.0
    todo: list[tuple[Go, int, tuple[Request, ...]]] = []
    for go in goes:
        for number, batch in enumerate(plan_batches(prompts, go, settings.batch_size)):
            if all(request.sample >= k for request in batch):
                continue
            row = finished.get(((go.first, go.end), number))
            if row is None:
                todo.append((go, number, batch))
            else:
                drawn += _from_row(row, batch)
                seconds += float(row["seconds"])
    on_progress(_count(drawn, k), total)
    with JsonLines(file) as lines:
        for row in new:
            lines.append(row)
        for go, number, batch in todo:
            row = {"go": [go.first, go.end], "batch": number, **_run(engine, bench, batch, prompts, settings.seed)}
            lines.append(row)
            lines.sync()
            drawn += _from_row(row, batch)
            seconds += row["seconds"]
            on_progress(_count(drawn, k), total)
    wanted = [one for one in drawn if one.request.sample < k]
    return sorted(wanted, key=lambda one: (one.request.problem, one.request.sample)), seconds


def _count(drawn: Sequence[Drawn], k: int) -> int:
    return sum(one.request.sample < k for one in drawn)


def _run(
    engine: Engine, bench: Bench, batch: Sequence[Request], prompts: Sequence[Prompt], seed: int
) -> dict[str, Any]:
    started = time.monotonic()
    completions = engine.generate(
        [prompts[request.problem] for request in batch],
        max_new_tokens=bench.sampling.max_new_tokens,
        temperature=bench.sampling.temperature,
        top_p=bench.sampling.top_p,
        top_k=bench.sampling.top_k,
        seed=[sample_seed(seed, bench.rows[request.problem].id, request.sample) for request in batch],
    )
    if len(completions) != len(batch):
        raise RunFailed(f"engine {engine.name} gave {len(completions)} answers to {len(batch)} prompts")
    row: dict[str, Any] = {
        "seconds": time.monotonic() - started,
        "responses": [completion.text for completion in completions],
        "truncated": [completion.truncated for completion in completions],
    }
    if any(completion.failed for completion in completions):
        row["failed"] = [completion.failed for completion in completions]
    return row


def _from_row(row: dict[str, Any], batch: Sequence[Request]) -> list[Drawn]:
    failed = row.get("failed") or [None] * len(batch)
    return [Drawn(*one) for one in zip(batch, row["responses"], row["truncated"], failed, strict=True)]


def _key(bench: Bench, engine: str, settings: Settings, prompts: Sequence[Prompt]) -> str:
    """What must be equal for kept samples to count: all that a sample depends on, how many there are left out."""
    ids = [row.id for row in bench.rows]
    parts = [engine, asdict(settings), asdict(bench.sampling), ids, list(prompts)]
    return hashlib.sha256(to_json(parts).encode()).hexdigest()


def _kept(file: Path, key: str) -> list[dict[str, Any]]:
    """The rows of earlier attempts; a file of another evaluation is removed."""
    rows = list(read_jsonl(file))
    if not rows or rows[0].get("key") != key:
        file.unlink(missing_ok=True)
        return []
    return rows


def grade_drawn(bench: Bench, drawn: Sequence[Drawn], grader: AnyGrader) -> list[Scored]:
    """Grades in order; what the engine could not answer is ungraded."""
    scored: list[Scored] = []
    for start in range(0, len(drawn), _CHUNK):
        chunk = drawn[start : start + _CHUNK]
        answered = [one for one in chunk if one.failed is None]
        grades = iter(
            grader.grade_many([bench.item(bench.rows[one.request.problem], one.response) for one in answered])
        )
        for one in chunk:
            grade = next(grades) if one.failed is None else engine_failed(one.failed)
            name = bench.rows[one.request.problem].id
            scored.append(Scored(name, one.request.sample, one.response, grade, one.truncated))
    return scored
