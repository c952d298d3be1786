"""report.html: self-contained, well formed, honest about what is missing."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_run import fake_run
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.display.report import write_report
from sgpo_cli.display.report.pick import pick, spread
from sgpo_cli.display.report.svg import Series, area_chart, line_chart, round_top, ticks
from sgpo_cli.runs.files import to_json
from sgpo_cli.runs.rundir import RunDir

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Checker(HTMLParser):
    """Every tag that opens closes, in order; no address is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def read(run: RunDir) -> str:
    html = write_report(run).read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert "script" not in checker.seen and set(checker.addresses) <= {"data:,"}
    assert "url(http" not in html and "@import" not in html
    for svg in re.findall(r"<svg.*?</svg>", html, flags=re.S):
        ElementTree.fromstring(svg)
    return html


def test_a_whole_run_has_every_part(sgpo: RunDir) -> None:
    html = read(sgpo)
    for part in (
        "Why the loss is near 0",
        "Groups by class",
        "Gradient norm",
        "Rollouts without a signal",
        "rescued (hatched)",
    ):
        assert part in html
    assert "hops_oracle</b>, measured on 256 labelled rows" in html and "[0.955, 0.992]" in html
    assert html.count('class="rollout ') >= 12 and 'class="wrong"' in html and 'class="right"' in html
    assert "prefers-color-scheme: dark" in html and "packages" not in html and "torch" in html


def test_what_others_wrote_is_escaped(sgpo: RunDir) -> None:
    assert "the judge &lt;b&gt;abstained&lt;/b&gt; often" in read(sgpo)


def test_a_grpo_run_has_no_judge_and_no_rescue(grpo: RunDir) -> None:
    html = read(grpo)
    assert "This run has no judge stage." in html and "hatched" not in html
    assert "from which nothing was learned" in html and "accuracy of step 1" in html


def test_an_unfinished_run_says_so(stopped: RunDir) -> None:
    html = read(stopped)
    assert "its stage train was begun, at step 7" in html and "No benchmark has been run" in html


def test_an_injected_prefix_is_coloured(guided: RunDir) -> None:
    html = read(guided)
    assert 'class="injected"' in html and "more of this group" in html and "$x_0 = 0$ &amp; so on." in html


@pytest.mark.parametrize("until", ["warmup", "judge"])
def test_a_run_before_training(tmp_path: Path, until: str) -> None:
    html = read(fake_run(tmp_path, until=until))
    assert "Nothing has been measured yet." in html and "No rollouts have been recorded." in html
    assert "Groups by class" not in html and "its stage " in html


def test_a_directory_with_nothing_but_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "recipe.yaml").write_text("name: bare\n")
    assert "bare" in read(RunDir(tmp_path / "bare"))


def test_null_figures_and_a_torn_last_line(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=3, prompts=2)
    nothing: dict[str, Any] = dict.fromkeys(
        ("accuracy", "reward", "loss", "grad_norm", "zero_advantage", "groups", "heldout")
    )
    with run.stage("train").metrics.open("a") as stream:
        stream.write(to_json({"step": 4, **nothing, "seconds": None}) + '\n{"step": 5, "accu')
    row = {"step": 4, "group": 0, "sample": 0, "problem": "p", "response": "", "outcome": None, "reward": None}
    with run.stage("train").rollouts.open("a") as stream:
        stream.write(
            json.dumps({**row, "advantage": 0.0, "verdict": None, "step_ends": None, "truncated": True}) + "\n"
        )
    (run.stage("judge").measures).write_text(
        json.dumps({"card": "arithmetic", "measures": None, "reason": "no labels"})
    )
    assert "<b>arithmetic</b> was not measured: no labels." in read(run)


def test_hostile_names_and_texts(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=1, prompts=1)
    rows = [json.loads(line) for line in run.stage("train").rollouts.read_text().splitlines()]
    bad = '</pre></style><script>alert("x")</script>\ud800\x00\x1b[31m'
    for row in rows:
        row |= {"problem": bad, "response": bad, "step_ends": None, "reason": bad}
    run.stage("train").rollouts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    html = read(run)
    assert "<script" not in html and "\x1b" not in html and "\x00" not in html


def rollout(step: int, group: int, outcome: int | None, advantage: float, reward: float = 0.0) -> dict[str, Any]:
    return {"step": step, "group": group, "sample": 0, "outcome": outcome, "advantage": advantage, "reward": reward}


def test_groups_are_picked_across_the_run() -> None:
    rows = []
    for step in range(1, 31):
        rows += [rollout(step, 0, 0, 1.0, 0.1 * (step % 3)), rollout(step, 0, 0, -1.0)]  # rescued
        rows += [rollout(step, 1, 1, 1.0), rollout(step, 1, 0, -1.0)]  # mixed
        rows += [rollout(step, 2, 0, 0.0), rollout(step, 2, 0, 0.0)]  # no signal
    picked = pick(rows, first=1, last=30)
    assert [(p.what, p.when) for p in picked if p.what == "rescued"] == [
        ("rescued", w) for w in ("early", "middle", "late")
    ]
    assert [p.what for p in picked] == ["rescued"] * 3 + ["mixed"] * 2 + ["no signal"]
    assert [p.rows[0]["step"] for p in picked[:3]] == sorted(p.rows[0]["step"] for p in picked[:3])
    assert all(len({r["reward"] for r in p.rows}) == 2 for p in picked if p.what == "rescued")


def test_without_rescue_the_dead_groups_stand_in_their_place() -> None:
    rows = [rollout(step, 0, 0, 0.0) for step in range(1, 31) for _ in range(2)]
    assert [(p.what, p.when) for p in pick(rows, first=1, last=30)] == [
        ("no signal", w) for w in ("early", "middle", "late")
    ]
    assert pick([], first=1, last=1) == []


def test_what_was_not_graded_is_shown_once_beside_others_and_more_alone() -> None:
    blind = [rollout(step, 0, None, 0.0) for step in range(1, 31) for _ in range(2)]
    assert [p.what for p in pick(blind, first=1, last=30)] == ["ungraded"] * 3
    assert [p.what for p in pick([*blind, rollout(31, 0, 0, 0.0)], first=1, last=31)] == ["no signal", "ungraded"]
    assert [p.what for p in pick([rollout(1, 0, 1, 0.0)], first=1, last=1)] == ["all_correct"]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=40), st.integers(2, 5))
def test_spread_includes_the_largest_and_the_smallest(values: list[float], count: int) -> None:
    rows = [{"advantage": value} for value in values]
    chosen = spread(rows, count)
    assert len(chosen) == min(count, len(values)) and chosen == sorted(set(chosen))
    assert {values[i] for i in chosen} >= {max(values), min(values)}


@given(st.floats(1e-9, 1e9))
def test_the_axis_covers_the_data(value: float) -> None:
    assert value <= round_top(value) * (1 + 1e-9) and round_top(value) <= 2 * value * (1 + 1e-9)


@given(st.integers(0, 10_000), st.integers(0, 100_000))
def test_ticks_are_few_and_inside(first: int, span: int) -> None:
    found = ticks(first, first + span)
    assert len(found) <= 8 and all(first <= tick <= first + span for tick in found)


def test_a_curve_ends_where_its_value_says() -> None:
    """The plot area is 12 from the top and 34 from the bottom of 250: value 0 is at y 216, the top at y 12."""
    svg = line_chart([0, 10], [Series("a", "a", [0.0, 1.0])], label="l", write=str, top=1.0)
    assert 'points="46.0,216.0 548.0,12.0"' in svg


def test_stacked_areas_reach_the_top_and_long_runs_are_thinned() -> None:
    count = 5000
    half = Series("a", "a", [0.5] * count)
    rest = Series("b", "b", [0.5] * count)
    svg = area_chart(range(count), [half, rest], label="l", write=str)
    root = ElementTree.fromstring(svg)
    polygons = root.findall("polygon")
    tops = [min(float(point.split(",")[1]) for point in polygon.attrib["points"].split()) for polygon in polygons]
    assert tops == [114.0, 12.0]
    assert len(root.findall("rect")) == 200 and len(svg) < 60_000
