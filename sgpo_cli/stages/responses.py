"""Stage `responses`: answers made elsewhere, graded (`sgpo eval --responses FILE`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgpo_cli.evaluation.responses import score_responses
from sgpo_cli.runs import stops
from sgpo_cli.stages.benches import open_bench
from sgpo_cli.stages.context import StageContext
from sgpo_cli.verify.grader import AnyGrader


def run(context: StageContext) -> dict[str, Any]:
    (use,) = context.recipe.benchmarks
    bench = open_bench(use.card, file=use.file, task=context.recipe.data.hops)

    def tell(done: int, total: int) -> None:
        context.events.emit("progress", step=done, total=total, bench=bench.name)
        stops.raise_if_asked("stopped; nothing was written")

    with AnyGrader(programs=bench.kind == "code", unsafe=bool(context.options.get("unsafe", False))) as grader:
        summary = score_responses(
            bench,
            Path(context.inputs["responses"]),
            Path(context.options["out"]) / bench.name,
            field=str(context.options["field"]),
            grader=grader,
            on_progress=tell,
        )
    context.events.emit("metrics", bench=bench.name, avg_at_k=summary["avg_at_k"], ci95=summary["ci95"])
    return {"avg_at_k": {bench.name: summary["avg_at_k"]}}
