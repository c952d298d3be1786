"""Tables: they fit, their documents are JSON, and their words are true."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_run import fake_run
from rich.console import Console, RenderableType

from sgpo_cli.display.compare import compare_json, compare_table
from sgpo_cli.display.console import THEME
from sgpo_cli.display.facts import flat, gather
from sgpo_cli.display.show import render_step, step_json
from sgpo_cli.display.tables import (
    bench_table,
    cards_table,
    judge_table,
    plan_table,
    result_json,
    result_table,
    runs_json,
    runs_table,
)
from sgpo_cli.errors import UserError
from sgpo_cli.runs.files import read_json, to_json, write_json
from sgpo_cli.runs.rundir import RunDir


def text(table: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, theme=THEME)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_table_fits_eighty_columns_without_cutting(
    sgpo: RunDir, grpo: RunDir, guided: RunDir, stopped: RunDir
) -> None:
    runs = [sgpo, grpo, guided, stopped]
    measures = read_json(sgpo.stage("judge").measures)["measures"]
    tables = [plan_table(read_json(sgpo.plan)), compare_table(runs), runs_table(runs), judge_table(measures)]
    tables += [result_table(run) for run in runs] + [render_step(guided, 3, 1), render_step(sgpo, 5)]
    tables += [cards_table([{"name": "hops", "description": "the built-in task " * 9}], kind="evals")]
    for table in tables:
        assert "…" not in text(table).replace("… ", "")
        assert max(len(line) for line in text(table).splitlines()) <= 80


def test_documents_are_json(sgpo: RunDir, stopped: RunDir) -> None:
    for document in (
        result_json(stopped),
        runs_json([sgpo, stopped]),
        compare_json([sgpo, stopped]),
        step_json(sgpo, 2),
    ):
        assert json.loads(to_json(document)) is not None


def test_the_result_names_first_and_last(sgpo: RunDir) -> None:
    document = result_json(sgpo)
    assert document["heldout"]["first"] == (0, 0.0137) and document["heldout"]["last"][0] == 20
    assert document["steps"] == 20 and document["benchmarks"][0]["bench"] == "hops"
    assert "0.014 (step 0) →" in text(result_table(sgpo)) and "warn" not in text(result_table(sgpo))


def test_facts_of_an_unfinished_run(stopped: RunDir) -> None:
    facts = gather(stopped)
    assert not facts.finished and facts.steps == 7 and facts.train_status == "unfinished"
    assert [stage.status for stage in facts.stages] == ["done", "done", "unfinished", "not run", "not run"]
    assert facts.heldout == [(0, 0.0137)] and facts.benches == []
    assert runs_json([stopped])[0]["state"] == "train unfinished"


def test_a_killed_and_resumed_stage_counts_its_working_time_only(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=2, prompts=2, until="warmup", stop_at=1)
    lines = [(0.0, "started"), (10.0, "progress"), (1000.0, "started"), (1005.0, "finished")]
    rows = [{"time": t, "stage": "train", "event": e, "step": None, "total": None, "data": {}} for t, e in lines]
    run.stage("train").path.mkdir(parents=True, exist_ok=True)
    run.stage("train").events.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train = next(stage for stage in gather(run).stages if stage.name == "train")
    assert (train.seconds, train.sessions) == (15.0, 2)


def test_compare_states_overlap_and_claims_no_test(sgpo: RunDir, grpo: RunDir, tmp_path: Path) -> None:
    assert "the 95% intervals overlap: not distinguishable by this" in text(compare_table([sgpo, sgpo]), 200)
    far = fake_run(tmp_path, name="far", steps=4, prompts=2)
    path = far.stage("eval").path / "hops" / "summary.json"
    write_json(path, {**read_json(path), "avg_at_k": 0.9, "ci95": [0.88, 0.92]})
    said = text(compare_table([sgpo, far]), 200)
    assert "hops: sgpo and far: the 95% intervals do not overlap" in said and "significant" not in said


def test_intervals_that_touch_overlap_and_missing_ones_cannot_be_compared(sgpo: RunDir, tmp_path: Path) -> None:
    low = read_json(sgpo.stage("eval").path / "hops" / "summary.json")["ci95"][0]
    for ci95, expected in (([0.0, low], True), (None, None)):
        other = fake_run(tmp_path, name=f"other{expected}", steps=2, prompts=2)
        path = other.stage("eval").path / "hops" / "summary.json"
        write_json(path, {**read_json(path), "ci95": ci95})
        (pair,) = compare_json([sgpo, other])["benchmarks"]["hops"]
        assert pair["intervals_overlap"] is expected


def test_compare_shows_a_kind_once_and_keeps_the_rest_in_json(sgpo: RunDir, grpo: RunDir) -> None:
    said = text(compare_table([grpo, sgpo]))
    assert "rescue.kind" in said and "rescue.shape" not in said and "only some of them have: --json" in said
    assert compare_json([grpo, sgpo])["recipe"]["rescue.shape"] == [None, "linear"]
    assert "The recipes are the same." in text(compare_table([sgpo, sgpo]))


def test_flat_names_leaves() -> None:
    assert flat({"a": {"b": 1, "c": []}, "d": [{"e": 2}, {"e": 3}], "f": [1, 2]}) == {
        "a.b": 1,
        "a.c": [],
        "d.0.e": 2,
        "d.1.e": 3,
        "f": [1, 2],
    }


def test_missing_figures_are_dashes() -> None:
    bare = {
        "bench": "aime24",
        "n_problems": 30,
        "missing": 4,
        "k": 2,
        "avg_at_k": None,
        "ci95": None,
        "pass_at_k": {"2": None},
    }
    said = text(bench_table([bare]))
    assert "30 (4 missing)" in said and said.count("–") >= 4
    assert "not measured" in text(judge_table(None))


def test_the_plan_says_what_is_skipped_how_rough_it_is_and_what_the_prompt_is() -> None:
    stage: dict[str, Any] = {"name": "warmup", "kind": "warmup", "status": "skip", "estimate": {"seconds": [900, 999]}}
    train = {
        **stage,
        "name": "train",
        "status": "resume",
        "estimate": {"seconds": [60, 120], "basis": "within a factor of 3"},
    }
    prompt = {"from": "task hops", "text": "e17 r0 \x1b[0m", "tokens": 3, "begins": ["<bos>"], "note": "no template"}
    warning = {"what": "heldout is 0", "where": "a.yaml:3", "fix": "set it"}
    said = text(plan_table({"stages": [stage, train], "warnings": [warning], "prompt": prompt}))
    assert "in all 1 min 00 s to 2 min 00 s" in said and "within a factor of 3" in said
    assert "3 tokens" in said and "e17 r0" in said and "\x1b" not in said and "no template" in said
    assert "warning: a.yaml:3: heldout is 0" in said


def test_show_prefers_rescued_groups_and_says_what_is_left(sgpo: RunDir) -> None:
    said = text(render_step(sgpo, 5, limit=1))
    assert "all-negative, rescued" in said and "7 more groups of this step" in said
    assert text(render_step(sgpo, 5, limit=None)).count("group ") >= 8


def test_show_names_what_there_is(sgpo: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no rollouts of step 99") as wrong_step:
        render_step(sgpo, 99)
    assert wrong_step.value.fix == "its steps: 1 to 20"
    with pytest.raises(UserError, match="has no group 50") as wrong_group:
        render_step(sgpo, 3, 50)
    assert wrong_group.value.fix == "its groups: 0 to 7"
    with pytest.raises(UserError, match="no rollouts yet"):
        render_step(fake_run(tmp_path, name="early", until="warmup"), 1)
