"""Labels the fixed rollouts of an offline recipe, by the machinery of `sgpo judge`."""

from __future__ import annotations

from pathlib import Path

from sgpo_cli.data.rows import Row
from sgpo_cli.generation.engine import Completion
from sgpo_cli.judging.labelling.counts import Progress
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.label import Output, label
from sgpo_cli.judging.verdict import Judge
from sgpo_cli.methods.outcomes import classify
from sgpo_cli.runs import stops
from sgpo_cli.runs.files import read_jsonl, to_json, write_text
from sgpo_cli.stages.context import StageContext
from sgpo_cli.stages.policy import open_problems


def stored_rollouts(context: StageContext, wanted: int) -> tuple[list[Row], list[Completion], list[int | None]]:
    """The first groups that stage `rollout` made, of at least `wanted` rollouts, as the judge is measured on them."""
    size = context.recipe.trainer.group_size
    known = {row.id: row for row in open_problems(context).rows}
    rows: list[Row] = []
    completions: list[Completion] = []
    outcomes: list[int | None] = []
    for row in read_jsonl(Path(context.inputs["rollouts"])):
        if len(rows) >= -(-wanted // size) * size:
            break
        rows.append(known[row["id"]])
        completions.append(Completion(row["response"], tuple(row["ids"]), row["truncated"]))
        outcomes.append(row["outcome"])
    return rows, completions, outcomes


def label_stored(context: StageContext, judge: Judge) -> None:
    """Leaves labels.jsonl: the responses of the all-negative groups (of all wrong ones under `when: all_incorrect`)
    with `steps` and `verdict`. Goes on after a kill without judging a row twice."""
    recipe, size = context.recipe, context.recipe.trainer.group_size
    every = getattr(recipe.rescue, "when", "all_negative") == "all_incorrect"
    known = {row.id: row for row in open_problems(context).rows}
    asked: list[str] = []
    group: list[dict[str, object]] = []
    for row in read_jsonl(Path(context.inputs["rollouts"])):
        group.append(row)
        if len(group) < size:
            continue
        negative = classify([one["outcome"] for one in group]) == "all_negative"  # type: ignore[misc]
        for one in group:
            if one["outcome"] == 0 and (negative or every):
                origin = known[str(one["id"])]
                kept = {key: one[key] for key in ("id", "group", "sample", "problem", "response")}
                asked.append(to_json(kept | {"solution": origin.solution, "answer": origin.answer}))
        group = []
    if not asked:
        write_text(context.dir.labels, "")
        return
    source = context.dir.path / "to_label.jsonl"
    write_text(source, "".join(f"{line}\n" for line in asked))

    def tell(progress: Progress) -> None:
        context.events.emit("progress", step=progress.done, total=progress.total)
        stops.raise_if_asked("stopped while responses were labelled; the labels so far are kept")

    output = Output(context.dir.labels)
    label(JsonLines(source), output, judge, fingerprint=context.fingerprint, on_progress=tell)
