"""Guidance in the terminal and in the report: what was injected is marked, its figures are shown, none is made up."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, Group, RenderableType

from sgpo_cli.display.compare import compare_json, compare_table
from sgpo_cli.display.console import THEME
from sgpo_cli.display.facts import gather
from sgpo_cli.display.guidance import CUTS, guided_plan, shortened, units
from sgpo_cli.display.live import RunDisplay
from sgpo_cli.display.report import write_report
from sgpo_cli.display.show import render_step
from sgpo_cli.display.tables import result_json, result_table
from sgpo_cli.display.view import live_view
from sgpo_cli.runs.events import Event
from sgpo_cli.runs.rundir import RunDir


def text(table: RenderableType, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=80, theme=THEME, **options)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_reasons_are_those_of_the_cut() -> None:
    from typing import get_args

    from sgpo_cli.methods.guidance.cut import CutReason

    assert set(CUTS) == set(get_args(CutReason))


def test_words() -> None:
    assert (units(1, "steps"), units(6, "tokens"), units(2.4, "steps")) == ("1 step", "6 tokens", "2.4 steps")
    assert shortened({"length": 3, "answer": 400, "budget": 12}) == "shortened: 400 before the answer, 12 by the budget"
    assert shortened({"answer": 0}) == shortened({}) == ""


def test_show_marks_what_was_injected(plainly_guided: RunDir) -> None:
    said = text(render_step(plainly_guided, 1, 0))
    assert "> injected trace" in said and "first 6 tokens injected" in said
    marked = [line for line in said.splitlines() if line.strip().startswith(">")]
    guided = [line for line in marked if line.count(">") == 6]
    assert len(guided) == 2, "two of eight rollouts, six steps each"
    assert "guidance length 6, accuracy of the guided" in said and "shortened: 2 before the answer" in " ".join(
        said.split()
    )
    # Magenta, and only that part.
    coloured = text(render_step(plainly_guided, 1, 0), force_terminal=True, no_color=False, color_system="standard")
    assert coloured.count("\x1b[35m>") >= 12


def test_show_without_guidance_does_not_speak_of_it(grpo: RunDir) -> None:
    said = text(render_step(grpo, 1, 0))
    assert "inject" not in said and "guid" not in said


def test_the_facts_of_a_guided_run(plainly_guided: RunDir, grpo: RunDir) -> None:
    facts = gather(plainly_guided)
    # 6 * (1 - t/16): the first step has t = 0, from step 17 on it is 0.
    assert facts.guidance_length[0] == (1, 6.0) and facts.guidance_length[1] == (2, 5.625)
    assert facts.guidance_length[-1] == (20, 0.0) and len(facts.guided_accuracy) == 20
    assert facts.shortened == {"answer": 6}
    assert result_json(plainly_guided)["guidance"]["length"] == {"first": (1, 6.0), "last": (20, 0.0)}
    assert "guidance, steps      6 (step 1) → 0 (step 20)" in text(result_table(plainly_guided))
    assert gather(grpo).guidance_length == [] and result_json(grpo)["guidance"] is None
    assert "guid" not in text(result_table(grpo))


def test_compare_has_guidance_where_there_is_some(plainly_guided: RunDir, grpo: RunDir) -> None:
    said = text(compare_table([grpo, plainly_guided]))
    assert "guidance length, first" in said and "guided accuracy, last" in said and "shortened prefixes" in said
    plain, guided = compare_json([grpo, plainly_guided])["runs"]
    assert plain["guidance_first"] is None and plain["shortened"] is None
    assert guided["guidance_first"] == 6.0 and guided["guidance_last"] == 0.0 and guided["shortened"] == 6
    assert "guidance length" not in text(compare_table([grpo, grpo]))


def test_the_report_draws_it(plainly_guided: RunDir, grpo: RunDir) -> None:
    html = write_report(plainly_guided).read_text(encoding="utf-8")
    assert "Guidance length, in steps of the trace" in html and "Accuracy with and without guidance" in html
    assert "Prefixes shortened: 6 before the answer." in html
    assert "GRPO (linear guidance, prefix masked) on hops" in html
    assert html.count('<li class="injected"') >= 6 and "step 1\nguidance length 6<" in html
    assert "guidance length" not in write_report(grpo).read_text(encoding="utf-8").lower()


@pytest.mark.parametrize(
    ("rescue", "guidance", "named"),
    [
        ("none", {"kind": "adaptive", "loss_on_prefix": True}, "G2RPO-A (adaptive guidance, prefix in the loss)"),
        ("stepwise", {"kind": "adaptive", "loss_on_prefix": False}, "SGPO + G2RPO-A (stepwise rescue, adaptive"),
        ("stepwise", {"kind": "steady", "loss_on_prefix": False}, "SGPO (stepwise rescue, steady guidance"),
        ("none", None, "GRPO on ?"),
    ],
)
def test_methods_have_their_names(grpo: RunDir, rescue: str, guidance: Any, named: str) -> None:
    from dataclasses import replace

    from sgpo_cli.display.report.page import what_ran

    assert what_ran(replace(gather(grpo), recipe={"rescue": {"kind": rescue}, "guidance": guidance})).startswith(named)


def test_progress_tells_of_guidance() -> None:
    stages = [{"name": "train", "kind": "train", "status": "run"}]
    told = {"accuracy": 0.25, "heldout": {"accuracy": 0.2}, "guidance": {"length": 4.5, "accuracy": 0.5}}
    target = Console(file=io.StringIO(), width=80, theme=THEME)
    with RunDisplay(target, stages) as display:
        display.handle(Event(1.0, "train", "started"))
        display.handle(Event(2.0, "train", "metrics", 1, 9, told))
        said = text(live_view(display.state, 2.0))
    assert "guidance 4.5, guided accuracy 0.500" in target.file.getvalue()  # type: ignore[attr-defined]
    assert "guidance length" in said and "accuracy of the guided 0.500" in said


def test_a_plan_of_many_guided_lines_is_shortened() -> None:
    example = {"from": "f", "id": "1", "note": None, "prefix": "".join(f"line {i}\n" for i in range(40))}
    example |= {"units": 40, "asked": 40, "trace_units": 50, "withheld": 1, "reason": None}  # type: ignore[dict-item]
    example |= {"prefix_tokens": 400, "sampled": 100}  # type: ignore[dict-item]
    guided = {"kind": "fixed", "unit": "steps", "scope": "global", "fraction": 0.25, "length": 40, "max_length": 40}
    guided |= {"loss_on_prefix": True, "budget": "extra", "max_completion_length": 100, "group_size": 4}
    guided |= {"guided": 1, "mask": [True, False, False, False], "example": example}
    guided |= {"course": {"points": [{"step": 1, "length": 40, "units": 40}], "zero_from": None, "drawn": None}}
    told = Group(*guided_plan(guided, {"tokens": 3, "text": "a\nb"}))
    lines = [line.rstrip() for line in text(told).splitlines()]
    injected = [line for line in lines if line.startswith("  > ")]
    assert len(injected) == 12 and "  > …" in injected and injected[-1] == "  > line 39"
    assert "  … b" in lines and any("first of every group's 4 rollouts starts" in line for line in lines)
    assert "the last one, which tells the answer, is never given" in " ".join(lines)
    assert guided_plan(None, None) == []
