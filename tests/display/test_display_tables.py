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
from sgpo_cli.display.plan import plan_table
from sgpo_cli.display.report import write_report
from sgpo_cli.display.runs import runs_json, runs_table
from sgpo_cli.display.show import render_step, step_json
from sgpo_cli.display.tables import (
    bench_table,
    cards_table,
    judge_line,
    judge_table,
    result_json,
    result_table,
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


def test_runs_with_many_benchmarks_take_two_lines_each(tmp_path: Path) -> None:
    names = ["qwen3_1p7b_sgpo_g2rpoa-smoke", "qwen7b_sgpo-smoke", "a_run_with_a_name_" * 4]
    runs = [fake_run(tmp_path, name=name, steps=2, prompts=2) for name in names]
    nine = ["math500", "aime24", "aime25", "amc23", "minerva", "olympiadbench", "hmmt_feb24", "hmmt_feb25", "gsm8k"]
    for run in runs[:2]:
        (summary,) = run.summaries()
        for bench in nine:
            write_json(run.stage("eval").path / bench / "summary.json", {**summary, "bench": bench})
    lines = text(runs_table(runs)).splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 3 + 2 * len(runs) + 2
    assert all(sum(name in line for line in lines) == 1 for name in names)
    assert next(line for line in lines if "qwen7b" in line).split()[1] == "finished"
    shown = next(line for line in lines if "aime24" in line)
    assert shown.startswith("  aime24 0.") and "and 6 more" in shown
    assert "sgpo report RUN" in lines[-1] and len(runs_json(runs)[0]["benchmarks"]) == 10


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
    assert "missing, in no figure: aime24 4 of 30" in said and said.count("–") >= 4
    assert "not measured" in text(judge_table(None))


def test_long_names_and_missing_problems_leave_figures_whole_at_80_columns() -> None:
    figures = {"avg_at_k": 0.523, "ci95": [0.123, 0.456], "pass_at_k": {"16": 0.912}, "truncated": 1120, "ungraded": 3}
    full = {"bench": "olympiadbench", "n_problems": 1319, "missing": 1200, "k": 16, **figures}
    lines = text(bench_table([full])).splitlines()
    (row,) = [line for line in lines if "0.523" in line]
    for whole in ("olympiadbench", "1,319", "[0.123, 0.456]", "0.912 @16", "1,120"):
        assert whole in row, row
    assert max(map(len, lines)) <= 80


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


# --- damaged files, stops, ungraded groups, the judge's silence ------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("plan.json", "{broken"),
        ("plan.json", "[]"),
        ("plan.json", '{"stages": [3]}'),
        ("recipe.yaml", "x: ["),
        ("stages/train/metrics.jsonl", "{broken}\n"),
        ("stages/train/metrics.jsonl", "[]\n"),
        ("stages/train/metrics.jsonl", '{"step": 1, "groups": 3}\n'),
        ("stages/train/events.jsonl", "{}\n"),
        ("stages/judge/judge.json", "\xff{"),
        ("stages/eval/hops/summary.json", "{}"),
        ("events.jsonl", "nonsense\n"),
    ],
)
def test_a_damaged_run_does_not_hide_the_others(sgpo: RunDir, tmp_path: Path, file: str, content: str) -> None:
    broken = fake_run(tmp_path, name="k", steps=2, prompts=2)
    (broken.path / file).write_text(content, encoding="latin-1")
    one, two = runs_json([broken, sgpo])
    assert one["state"] == "unreadable" and file in one["reason"]
    assert two == runs_json([sgpo])[0] and two["state"] == "finished"
    said = text(runs_table([broken, sgpo]), 200)
    assert "unreadable" in said and file in said and "finished" in said
    with pytest.raises(UserError) as caught:
        compare_json([sgpo, broken])
    assert file in str(caught.value.where)


def test_a_damaged_recipe_is_named_with_its_line(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=2, prompts=2)
    run.recipe.write_text("name: a\nx: [\n")
    for show in (lambda: compare_table([run, run]), lambda: write_report(run)):
        with pytest.raises(UserError, match="not YAML") as caught:
            show()
        assert (caught.value.where, caught.value.exit_code) == (f"{run.recipe}:2", 2)


def test_damaged_rollouts_are_named(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=2, prompts=2)
    with run.stage("train").rollouts.open("a") as stream:
        stream.write("nonsense\n")
    for show in (lambda: render_step(run, 9), lambda: write_report(run)):
        with pytest.raises(UserError, match="not JSON") as caught:
            show()
        assert "rollouts.jsonl:33" in str(caught.value.where)  # 2 steps x 2 groups x 8 rollouts


@pytest.mark.parametrize(("code", "status"), [(130, "stopped"), (143, "stopped"), (1, "failed"), (None, "failed")])
def test_a_polite_stop_is_told_from_a_failure(tmp_path: Path, code: int | None, status: str) -> None:
    run = fake_run(tmp_path, stop_at=3, until="train", steps=6, prompts=2)
    with run.stage("train").events.open("a") as stream:
        last = {"time": 1.8e9, "stage": "train", "event": "failed", "step": None, "total": None}
        stream.write(json.dumps({**last, "data": {"what": "x", "exit_code": code}}) + "\n")
    assert runs_json([run])[0]["state"] == f"train {status}"
    html = write_report(run).read_text()
    assert f"its stage train {'was stopped' if code in (130, 143) else 'failed'}, at step 3" in html


def ungraded(tmp_path: Path) -> RunDir:
    """A run whose verifier could never tell."""
    run = fake_run(tmp_path, name="blind", steps=4, prompts=2, rescue="none", judge=False, bench=False)
    groups = {"total": 2, "all_correct": 0, "all_negative": 0, "mixed": 0, "ungraded": 2, "rescued": 0}
    rows = [{**row, "groups": groups, "accuracy": None} for row in run.metrics()]
    run.stage("train").metrics.write_text("".join(to_json(row) + "\n" for row in rows))
    told = [{**row, "outcome": None, "reward": None, "advantage": 0.0} for row in run.rollouts()]
    run.stage("train").rollouts.write_text("".join(to_json(row) + "\n" for row in told))
    return run


def test_a_run_that_was_never_graded_does_not_look_like_success(tmp_path: Path) -> None:
    run = ungraded(tmp_path)
    said = text(result_table(run))
    assert "ungraded groups    100% over all steps" in said and "all-negative" not in said
    assert result_json(run)["ungraded"] == 1.0 and result_json(run)["all_negative"]["first"] is None
    assert "ungraded groups" in text(compare_table([run, run]))


def test_the_report_shows_ungraded_rollouts(tmp_path: Path) -> None:
    html = write_report(ungraded(tmp_path)).read_text()
    assert "No rollouts have been recorded" not in html and "the verifier could not tell" in html
    assert html.count('<article class="group ungraded">') == 3 and "<dt>ungraded groups</dt>" in html


def test_graded_runs_say_nothing_of_ungraded_groups(sgpo: RunDir) -> None:
    assert "ungraded groups" not in text(result_table(sgpo)) and result_json(sgpo)["ungraded"] == 0.0


def test_unchecked_stands_beside_abstained(sgpo: RunDir) -> None:
    measures = read_json(sgpo.stage("judge").measures)["measures"]
    said = text(judge_table({**measures, "abstained": 0.125, "unchecked": 0.25}))
    assert "abstained" in said and "0.125" in said and "unchecked" in said and "0.250" in said
    bare = text(judge_table({"abstained": 0.5, "unchecked": 0.25}))
    assert "0.500" in bare and "0.250" in bare and "not measured" in bare


def test_the_reports_judge_tells_silence_apart(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=2, prompts=2)
    path = run.stage("judge").measures
    told = read_json(path)
    write_json(path, {**told, "abstained": 0.75, "unchecked": 0.5})
    html = write_report(run).read_text()
    assert "<dt>abstained (no verdict)</dt><dd>25%</dd>" in html
    assert "<dt>nothing to check (counts as abstained in training)</dt><dd>50%</dd>" in html
    write_json(path, {**told, "abstained": 0.75})
    assert "<dt>abstained (no verdict) or nothing to check</dt><dd>75%</dd>" in write_report(run).read_text()


def test_one_labelled_row_is_one_row(sgpo: RunDir) -> None:
    judge = read_json(sgpo.stage("judge").measures)
    one = {**judge, "measures": {**judge["measures"], "n_error": 1, "n_correct": 0}}
    assert "on 1 row (" in judge_line(one)
