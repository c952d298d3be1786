"""Whether the run that `make demo` made is what it should be: `python tests/demo.py runs/tiny_sgpo`.

The warm start lies where RL should begin, nearly always wrong, with prefixes to tell apart; and SGPO learned from it.
The bands are those of three seeds (docs/results.md), with room for the sampling of one run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(run: Path) -> None:
    judge = json.loads((run / "stages/judge/judge.json").read_text())
    metrics = [json.loads(line) for line in (run / "stages/train/metrics.jsonl").read_text().splitlines()]
    summary = json.loads((run / "stages/eval/hops/summary.json").read_text())
    last = next(row["heldout"]["accuracy"] for row in reversed(metrics) if row["heldout"])
    bands = {
        "warm start, accuracy": (judge["accuracy"], 0.003, 0.035),
        "warm start, all-negative groups": (judge["all_negative"], 0.8, 0.97),
        "warm start, prefix score of wrong answers": (judge["prefix_score"], 0.08, 0.17),
        "held-out accuracy at the end": (last, 0.8, 1.0),
        "avg@2 on hops": (summary["avg_at_k"], 0.8, 1.0),
    }
    off = [f"{name}: {value:.3f}, not in {low} to {high}" for name, (value, low, high) in bands.items()
           if not low <= value <= high]  # fmt: skip
    if off or not (run / "report.html").stat().st_size:
        sys.exit("\n".join(["the demo is not what it should be", *off]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
