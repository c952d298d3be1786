"""The sampling evaluation: k answers a problem from an engine, graded; killed at any moment, it goes on where it was.

The batches are fixed before the first is run, each with its own seed, so that no number depends on where a run was
interrupted. A finished batch is one line of `samples.partial.jsonl`, on disk before the next begins. Similar lengths
share a batch, the longest first (memory runs out at once or not at all); the files are ordered by problem and sample.
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
from sgpo_cli.evaluation.summary import Origin, Scored, summarise
from sgpo_cli.generation.engine import Engine
from sgpo_cli.generation.prompts import Prompt
from sgpo_cli.runs.files import JsonLines, read_jsonl, to_json, write_json, write_text
from sgpo_cli.verify.pool import Grader

Progress = Callable[[int, int], None]
Render = Callable[[str], Prompt]
PARTIAL = "samples.partial.jsonl"
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to draw: the problem's place in the bench, and which of its k samples."""

    problem: int
    sample: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that the engine answers in one call, and the call's seed."""

    seed: int
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One response as the engine gave it."""

    request: Request
    response: str
    truncated: bool


def evaluate(
    bench: Bench,
    engine: Engine,
    out_dir: Path,
    *,
    model: str,
    seed: int,
    batch_size: int,
    grader: Grader,
    on_progress: Progress,
    k: int | None = None,
    render: Render = str,
) -> dict[str, Any]:
    """Draws and grades k samples a problem; writes samples.jsonl and summary.json into `out_dir`, returns the summary.

    `model` names the weights (it belongs to what a partial file must agree with to be continued); `render` makes the
    engine's prompt of the user's turn (chat messages, or the text as it is); `on_progress(done, total)` counts samples
    drawn. Sampling is the bench's. Raises what the engine raises; everything drawn before is kept.
    """
    k = bench.k if k is None else k
    if k < 1 or batch_size < 1:
        raise UserError(f"k and the batch size must be at least 1, got k={k}, batch size {batch_size}")
    drawn, seconds = draw(
        bench, engine, out_dir / PARTIAL, model=model, k=k, seed=seed, batch_size=batch_size, on_progress=on_progress,
        render=render,
    )  # fmt: skip
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
    )
    write_text(out_dir / "samples.jsonl", "".join(to_json(sample.row()) + "\n" for sample in samples))
    write_json(out_dir / "summary.json", summary)
    (out_dir / PARTIAL).unlink(missing_ok=True)
    return summary


def plan_batches(prompts: Sequence[Prompt], *, k: int, seed: int, batch_size: int) -> list[Batch]:
    """The batches of an evaluation, a pure function of its arguments."""
    lengths = [len(str(prompt)) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda place: (-lengths[place], place))
    requests = [Request(place, sample) for place in order for sample in range(k)]
    starts = range(0, len(requests), batch_size)
    return [
        Batch(_batch_seed(seed, number), tuple(requests[start : start + batch_size]))
        for number, start in enumerate(starts)
    ]


def _batch_seed(seed: int, number: int) -> int:
    """31 bits: what every engine takes as a seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4]) >> 1


def draw(
    bench: Bench,
    engine: Engine,
    partial: Path,
    *,
    model: str,
    k: int,
    seed: int,
    batch_size: int,
    on_progress: Progress,
    render: Render,
) -> tuple[list[Drawn], float]:
    """All samples by (problem, sample), and the seconds that drawing took over all attempts."""
    prompts = [render(bench.ask(row)) for row in bench.rows]
    batches = plan_batches(prompts, k=k, seed=seed, batch_size=batch_size)
    key = _key(bench, engine.name, model, prompts, batches)
    finished = _finished(partial, key, batches)
    total = len(prompts) * k
    drawn = [one for number in sorted(finished) for one in _from_row(finished[number], batches[number])]
    seconds = sum(float(row["seconds"]) for row in finished.values())
    on_progress(len(drawn), total)
    with JsonLines(partial) as lines:
        if not finished:
            lines.append({"key": key})
        for number, batch in enumerate(batches):
            if number in finished:
                continue
            row = {"batch": number, **_run(engine, bench, batch, prompts)}
            lines.append(row)
            lines.sync()
            drawn += _from_row(row, batch)
            seconds += row["seconds"]
            on_progress(len(drawn), total)
    return sorted(drawn, key=lambda one: (one.request.problem, one.request.sample)), seconds


def _run(engine: Engine, bench: Bench, batch: Batch, prompts: Sequence[Prompt]) -> dict[str, Any]:
    started = time.monotonic()
    completions = engine.generate(
        [prompts[request.problem] for request in batch.requests],
        max_new_tokens=bench.sampling.max_new_tokens,
        temperature=bench.sampling.temperature,
        top_p=bench.sampling.top_p,
        seed=batch.seed,
    )
    if len(completions) != len(batch.requests):
        raise RunFailed(f"engine {engine.name} gave {len(completions)} answers to {len(batch.requests)} prompts")
    return {
        "seconds": time.monotonic() - started,
        "responses": [completion.text for completion in completions],
        "truncated": [completion.truncated for completion in completions],
    }


def _from_row(row: dict[str, Any], batch: Batch) -> list[Drawn]:
    answers = zip(batch.requests, row["responses"], row["truncated"], strict=True)
    return [Drawn(request, response, truncated) for request, response, truncated in answers]


def _key(bench: Bench, engine: str, model: str, prompts: Sequence[Prompt], batches: Sequence[Batch]) -> str:
    """What must be equal for a batch of an earlier attempt to count: all that its samples depend on."""
    parts: list[object] = [engine, model, asdict(bench.sampling), [row.id for row in bench.rows], list(prompts)]
    parts.append([asdict(batch) for batch in batches])
    return hashlib.sha256(to_json(parts).encode()).hexdigest()


def _finished(partial: Path, key: str, batches: Sequence[Batch]) -> dict[int, dict[str, Any]]:
    """The batches that an earlier attempt finished; a partial file of another evaluation is removed."""
    rows = list(read_jsonl(partial))
    if not rows or rows[0].get("key") != key:
        partial.unlink(missing_ok=True)
        return {}
    # A kill after the key and before the first batch leaves a second key line behind.
    drawn = [row for row in rows if "batch" in row]
    return {row["batch"]: row for row in drawn if 0 <= row["batch"] < len(batches)}


def grade_drawn(bench: Bench, drawn: Sequence[Drawn], grader: Grader) -> list[Scored]:
    """Grades in order."""
    scored: list[Scored] = []
    for start in range(0, len(drawn), _CHUNK):
        chunk = drawn[start : start + _CHUNK]
        items = [bench.item(bench.rows[one.request.problem], one.response) for one in chunk]
        for one, grade in zip(chunk, grader.grade_many(items), strict=True):
            name = bench.rows[one.request.problem].id
            scored.append(Scored(name, one.request.sample, one.response, grade, one.truncated))
    return scored
