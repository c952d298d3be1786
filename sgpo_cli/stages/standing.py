"""What is known of the judge before the first step, from the files of its stage.

The warm start's rollouts were graded and judged there: their mixed groups are evidence like any later one, without a
label. Where verdicts were held against labels, these come first: the slope of true rewards on the judge's, over wrong
answers, counts as `trust.labels` says. Prefix scores are in steps here, whatever `rescue.unit` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from sgpo_cli.judging.verdict import Verdict
from sgpo_cli.methods.prefix import steps_score
from sgpo_cli.methods.rescue import load_rescue
from sgpo_cli.methods.rescue.stepwise import Stepwise
from sgpo_cli.methods.trust import Evidence, Standing, from_labels, group_evidence, labelled_slope
from sgpo_cli.recipe.kinds import Rescue
from sgpo_cli.runs.files import read_jsonl
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.judge_desk import gives_nothing


def standing_before(rescue: Rescue, judged: Path) -> Standing | None:
    """The judge's standing by the judge stage in folder `judged`; None where every judge has full weight."""
    method = load_rescue(rescue)
    if not isinstance(method, Stepwise) or method.config.trust is None:
        return None
    config, stage = method.config.trust, StageDir(judged)
    standing = Standing()
    if config.labels and stage.labelled.exists():
        slope = labelled_slope(list(_pairs(method, read_jsonl(stage.labelled))))
        if slope is not None:
            standing = from_labels(slope, config)
    groups = groupby(read_jsonl(stage.rollouts), key=lambda row: row["group"])
    found = (_evidence(method, list(rows)) for _, rows in groups)
    return standing.learn((one for one in found if one is not None), config)


def _pairs(method: Stepwise, rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[float, float]]:
    """(reward by the judge, reward by the label) of each wrong answer that the judge read."""
    for row in rows:
        verdict = Verdict.from_json(row["verdict"])
        if row["label"] < 0 or gives_nothing(verdict) or verdict.prefix_score is None:
            continue
        truth = steps_score(row["label"], max(verdict.num_steps, row["label"] + 1))
        yield method.graded(verdict.prefix_score), method.graded(truth)


def _evidence(method: Stepwise, rows: list[dict[str, Any]]) -> Evidence | None:
    rewards = []
    for row in rows:
        verdict = Verdict.from_json(row["verdict"])
        score = None if gives_nothing(verdict) or not method.reads(row["truncated"]) else verdict.prefix_score
        rewards.append(None if score is None else method.graded(score))
    config = method.config
    return group_evidence([row["outcome"] for row in rows], rewards, scaling=config.scaling, floor=config.floor)
