"""Stage `eval`: the policy on every benchmark of the recipe (or of `sgpo eval`), each sample kept."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgpo_cli.evaluation.bench import Bench
from sgpo_cli.evaluation.run import evaluate
from sgpo_cli.runs import stops
from sgpo_cli.runs.files import read_json
from sgpo_cli.stages.benches import open_use
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.engines import Opened, open_eval_engine

if TYPE_CHECKING:
    from sgpo_cli.verify.grader import AnyGrader


def run(context: StageContext) -> dict[str, Any]:
    from sgpo_cli.verify.grader import AnyGrader

    recipe = context.recipe
    # All benches are opened before the model is: a missing file is found at once, and a missing sandbox.
    benches = [open_use(use, task=recipe.data.hops) for use in recipe.benchmarks]
    programs = any(bench.kind == "code" for bench in benches)
    grader = AnyGrader(programs=programs, unsafe=bool(context.options.get("unsafe", False)))
    base = Path(context.options.get("out", context.dir.path))
    total = sum(len(bench.rows) * bench.k for bench in benches)
    before = 0
    summaries = {}
    with ExitStack() as stack:
        stack.enter_context(grader)
        opened = open_eval_engine(context, stack)
        for bench in benches:
            out = base / bench.name
            if not (out / "summary.json").exists():
                _measure(context, bench, out, opened, grader, (before, total))
            before += len(bench.rows) * bench.k
            summary = read_json(out / "summary.json")
            summaries[bench.name] = summary["avg_at_k"]
            context.events.emit("metrics", bench=bench.name, avg_at_k=summary["avg_at_k"], ci95=summary["ci95"])
    return {"avg_at_k": summaries}


def _measure(
    context: StageContext, bench: Bench, out: Path, opened: Opened, grader: AnyGrader, at: tuple[int, int]
) -> None:
    before, total = at

    def tell(done: int, _of: int) -> None:
        context.events.emit("progress", step=before + done, total=total, bench=bench.name)
        stops.raise_if_asked("stopped between two batches; the samples so far are kept")

    model = context.options.get("model")
    evaluate(
        bench,
        opened.engine,
        out,
        model=str(context.policy() if model is None else model),
        seed=context.recipe.seed,
        batch_size=opened.batch_size(bench.sampling.max_new_tokens),
        grader=grader,
        on_progress=tell,
        render=opened.ask,
    )
