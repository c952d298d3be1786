"""What a labelling job has come to: counted row by row, kept beside a finished output, shown at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling.guard import is_failure
from sgpo_cli.judging.labelling.items import Row
from sgpo_cli.judging.measure import Measures, Tally, nothing_checked
from sgpo_cli.judging.usage import Usage
from sgpo_cli.judging.verdict import Verdict

_MOST_REASONS, _LONGEST_REASON = 30, 60


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the job stands, in rows; `rate` is rows judged a second by this process, `usage` what it cost so far."""

    done: int
    total: int | None
    abstained: int
    no_error: int
    rate: float
    usage: Usage | None = None


@dataclass(slots=True)
class Counts:
    """Counts of verdicts. `failed` of the `abstained` did so because a call failed; `unchecked` ones found no error,
    but nothing they could check either."""

    rows: int = 0
    abstained: int = 0
    failed: int = 0
    no_error: int = 0
    unchecked: int = 0
    why: dict[str, int] = field(default_factory=dict)
    """Abstentions by the first words of their reason."""
    labels: Tally = field(default_factory=Tally)

    def add(self, verdict: Verdict, label: int | None) -> None:
        self.rows += 1
        self.abstained += verdict.abstained
        self.failed += is_failure(verdict)
        if verdict.abstained:
            reason = _kind_of(verdict.reason)
            reason = reason if reason in self.why or len(self.why) < _MOST_REASONS else "others"
            self.why[reason] = self.why.get(reason, 0) + 1
        self.no_error += verdict.first_error == -1
        self.unchecked += nothing_checked(verdict)
        if label is not None:
            self.labels.add(verdict, label)

    def add_row(self, row: Row, label: object) -> None:
        """Counts a row that was written before."""
        verdict = row.get("verdict")
        if not isinstance(verdict, dict):
            raise UserError("a row without a verdict is among the labels written before", fix="use --overwrite")
        self.add(Verdict.from_json(verdict), label if isinstance(label, int) else None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Counts:
        return cls(**{**told, "labels": Tally(**told["labels"])})


def _kind_of(reason: str | None) -> str:
    """`cut_off` of `judge: cut_off: cut off at 64 tokens`; another reason's words up to its first colon."""
    kind = (reason or "no reason given").removeprefix("judge: ").partition(":")[0].strip()
    return kind if len(kind) <= _LONGEST_REASON else f"{kind[: _LONGEST_REASON - 3]}..."


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """What came out. `resumed`: rows judged by earlier processes; `complete`: OUT was there already and nothing was
    done; `usage`: what this process's calls cost, None of a judge that makes none; `left_out`: rows that have no place
    in OUT, by reason (schema stepwise); `written`: rows of OUT."""

    out: Path
    judge: str
    counts: Counts
    written: int
    left_out: Counter[str]
    resumed: int
    complete: bool
    seconds: float
    usage: Usage | None

    @property
    def measures(self) -> Measures | None:
        """ProcessBench's figures, when there were labels."""
        labels = self.counts.labels
        return labels.measures() if labels.n_error + labels.n_correct else None

    @property
    def total(self) -> int:
        return self.counts.rows

    def to_json(self) -> dict[str, Any]:
        """One object: how it went, the counts under `rows`, and ProcessBench's figures when there were labels.

        `abstained` and `unchecked` are shares: of the labelled rows when there are any, of all rows otherwise.
        `complete`: OUT is whole; `nothing_to_do`: it was before. `rows_per_second`: of what this process judged.
        """
        counts, measures = self.counts, self.measures
        judged = 0 if self.complete else counts.rows - self.resumed
        return {
            "out": str(self.out),
            "judge": self.judge,
            "complete": True,  # there is no summary of an output that is not
            "nothing_to_do": self.complete,
            "seconds": self.seconds,
            "rows_per_second": judged / self.seconds if judged and self.seconds > 0 else None,
            "rows": {
                "total": counts.rows,
                "abstained": counts.abstained,
                "failed": counts.failed,
                "abstained_why": counts.why,
                "no_error": counts.no_error,
                "unchecked": counts.unchecked,
                "resumed": self.resumed,
                "written": self.written,
                "left_out": dict(self.left_out),
            },
            "usage": self.usage.to_json() if self.usage else None,
            "abstained": counts.abstained / counts.rows if counts.rows else None,
            "unchecked": counts.unchecked / counts.rows if counts.rows else None,
            **(measures.to_json() if measures else {}),
        }
