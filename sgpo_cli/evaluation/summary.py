"""From graded samples to the rows of samples.jsonl and the figures of summary.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgpo_cli.evaluation.metrics import avg_at_k, interval95, maj_at_k, pass_at_k, standard_error
from sgpo_cli.verify.outcome import Grade
from sgpo_cli.verify.surface import vote


@dataclass(frozen=True, slots=True)
class Scored:
    """One graded sample. `id`: the bench's problem; `sample`: 0-based; `truncated`: None when nobody knows."""

    id: str
    sample: int
    response: str
    grade: Grade
    truncated: bool | None = None
    input_id: str | None = None

    def row(self) -> dict[str, Any]:
        """The row of samples.jsonl; `correct` is null for an ungraded sample, `reason` says why."""
        grade = self.grade
        row: dict[str, Any] = {
            "id": self.id,
            "sample": self.sample,
            "response": self.response,
            "extracted": grade.extracted,
            "correct": None if grade.outcome is None else bool(grade.outcome),
            "reason": grade.reason,
            "truncated": self.truncated,
        }
        if grade.fraction is not None:
            row["fraction"] = grade.fraction
        if grade.detail is not None:
            row["detail"] = grade.detail
        if self.input_id is not None and self.input_id != self.id:
            row["input_id"] = self.input_id
        return row


ENGINE_FAILED = "engine_failed"


def engine_failed(why: str) -> Grade:
    """The grade of a sample that the engine could not draw: ungraded."""
    return Grade(None, None, ENGINE_FAILED, detail=why)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the samples: the engine, its sampling and the model; None each when they were made elsewhere."""

    engine: str | None = None
    sampling: Mapping[str, Any] | None = None
    model: str | None = None


def summarise(
    samples: Sequence[Scored],
    *,
    bench: str,
    kind: str,
    n_problems: int,
    k: int,
    origin: Origin,
    seconds: float,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The contents of summary.json.

    `n_problems` counts the whole bench; `missing` of them have no sample and are in no figure, like the `ungraded`
    samples. `accounted` splits n_problems * k samples into right, wrong, ungraded and absent (not given; negative
    never). `tests_passed` is the mean share of a program's tests. Whatever is null has its reason under `reasons`.
    """
    by_problem: dict[str, list[Scored]] = {}
    for sample in samples:
        by_problem.setdefault(sample.id, []).append(sample)
    graded = [[s for s in problem if s.grade.outcome is not None] for problem in by_problem.values()]
    graded = [problem for problem in graded if problem]
    outcomes = [[_outcome(s) for s in problem] for problem in graded]
    interval = interval95(outcomes)
    passes = {str(size): pass_at_k(outcomes, size) for size in _sizes(k)}
    known = [s.truncated for s in samples if s.truncated is not None]
    summary: dict[str, Any] = {
        "bench": bench,
        "n_problems": n_problems,
        "missing": n_problems - len(by_problem),
        "k": k,
        "avg_at_k": avg_at_k(outcomes),
        "pass_at_k": passes,
        "maj_at_k": None
        if kind == "code"
        else maj_at_k([[(_vote(s, kind), _outcome(s)) for s in problem] for problem in graded]),
        "ci95": list(interval) if interval else None,
        "stderr": standard_error(outcomes),
        "truncated": sum(known) if len(known) == len(samples) else None,
        "ungraded": sum(s.grade.outcome is None for s in samples),
        "engine": origin.engine,
        "sampling": dict(origin.sampling) if origin.sampling is not None else None,
        "model": origin.model,
        "seconds": round(seconds, 3),
        "samples": len(samples),
        "outcomes": dict(Counter(s.grade.reason for s in samples)),
        "accounted": _account(samples, n_problems * k),
    }
    if kind == "code":
        shares = [s.grade.fraction for s in samples if s.grade.fraction is not None]
        summary["tests_passed"] = sum(shares) / len(shares) if shares else None
    if notes:
        summary["notes"] = list(notes)
    summary["reasons"] = _reasons(summary, Counter(len(problem) for problem in by_problem.values()))
    return summary


def _account(samples: Sequence[Scored], expected: int) -> dict[str, int]:
    right = sum(s.grade.outcome == 1 for s in samples)
    wrong = sum(s.grade.outcome == 0 for s in samples)
    ungraded = len(samples) - right - wrong
    return {
        "expected": expected, "right": right, "wrong": wrong, "ungraded": ungraded, "absent": expected - len(samples),
    }  # fmt: skip


def _sizes(k: int) -> list[int]:
    """Powers of two below k, and k."""
    return sorted({2**power for power in range(k.bit_length()) if 2**power < k} | {k}) if k > 0 else []


def _outcome(sample: Scored) -> int:
    assert sample.grade.outcome is not None
    return sample.grade.outcome


def _vote(sample: Scored, kind: str) -> str | None:
    extracted = sample.grade.extracted
    return vote(extracted) if extracted is not None and kind == "math" else extracted


def _reasons(summary: Mapping[str, Any], counts: Counter[int]) -> dict[str, str]:
    """Why each null is null, and what else the figures' reader must know."""
    reasons: dict[str, str] = {}
    for name in ("avg_at_k", "maj_at_k", "ci95"):
        if summary[name] is None:
            reasons[name] = "no graded samples"
    if summary["maj_at_k"] is None and summary["avg_at_k"] is not None:
        reasons["maj_at_k"] = "programs are not voted on"
    for size, value in summary["pass_at_k"].items():
        if value is None:
            reasons[f"pass_at_k.{size}"] = f"some problem has fewer than {size} graded samples"
    if summary["stderr"] is None:
        reasons["stderr"] = "fewer than two problems with graded samples"
    for name in ("engine", "sampling", "model"):
        if summary[name] is None:
            reasons[name] = "the responses were made elsewhere"
    if summary["truncated"] is None:
        reasons["truncated"] = "not recorded with the responses"
    if len(counts) > 1:
        reasons["k"] = f"problems have {min(counts)} to {max(counts)} samples; k is the largest"
    return reasons
