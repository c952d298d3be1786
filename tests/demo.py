"""Whether the run that `make demo` made is what it should be: `python tests/demo.py runs/tiny_sgpo`.

Three seeds ended at .897 to .916 (docs/results.md); a run below .8 has not learned what the README promises.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

LEAST = 0.8


def main(run: Path) -> None:
    metrics = [json.loads(line) for line in (run / "stages/train/metrics.jsonl").read_text().splitlines()]
    found = {
        "held-out accuracy": next(row["heldout"]["accuracy"] for row in reversed(metrics) if row["heldout"]),
        "avg@2 on hops": json.loads((run / "stages/eval/hops/summary.json").read_text())["avg_at_k"],
    }
    off = [f"{name} {value:.3f}, below {LEAST}" for name, value in found.items() if value < LEAST]
    if not (run / "report.html").stat().st_size:
        off.append("an empty report")
    if off:
        sys.exit(f"the demo is not what it should be: {'; '.join(off)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
