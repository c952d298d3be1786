"""How far a judge was trusted, in terminal, report and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fake_run import fake_run

from sgpo_cli.display.facts import gather
from sgpo_cli.display.groups import reason_words
from sgpo_cli.display.report import write_report
from sgpo_cli.display.report.figures import figures
from sgpo_cli.display.state import TrainState
from sgpo_cli.display.tables import result_lines
from sgpo_cli.display.trust import evidence_line, trust_line
from sgpo_cli.display.view import train_parts
from sgpo_cli.runs.rundir import RunDir


def trust(weight: float, slope: float, groups: int) -> dict[str, Any]:
    return {"weight": weight, "slope": slope, "error": 0.1, "power": 9.0, "groups": groups, "read": 2}


ROWS = [
    {"step": 1, "trust": trust(0.0, -0.2, 2), "judge": {"measured": 16}},
    {"step": 2, "trust": trust(0.5, 0.25, 1200), "judge": {"measured": 1600}},
]


def trusted(folder: Path) -> RunDir:
    """A fake run whose judge was on trial."""
    run = fake_run(folder, steps=2)
    path = run.stage("train").metrics
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row | more) + "\n" for row, more in zip(rows, ROWS, strict=True)))
    return run


def test_words() -> None:
    assert (
        trust_line(ROWS) == "weight 0.000 (step 1) → 0.500 (step 2), on 1,200 mixed groups; 1,616 rollouts read for it"
    )
    told = evidence_line(ROWS)
    assert told is not None and "foretells 0.25" in told and "± 0.10" in told
    assert trust_line([{"step": 1, "trust": None}]) is None and evidence_line([{"step": 1}]) is None
    assert trust_line(ROWS[:1]) == "weight 0.000 (step 1), on 2 mixed groups; 16 rollouts read for it"


def test_the_result_and_the_report_show_weight_and_evidence(tmp_path: Path) -> None:
    run = trusted(tmp_path)
    facts = gather(run)
    assert dict(result_lines(facts))["trust in the judge"] == trust_line(ROWS) == facts.to_json()["trust"]
    write_report(run)
    page = run.report.read_text()
    assert "Trust in the judge" in page and 'class="line trust"' in page and "foretells 0.25" in page


def test_without_trust_nothing_is_said_of_it(tmp_path: Path) -> None:
    run = fake_run(tmp_path, steps=2)
    assert "trust in the judge" not in dict(result_lines(gather(run)))
    assert [f.title for f in figures(ROWS) if f.title == "Trust in the judge"] == ["Trust in the judge"]
    assert not [f for f in figures([{"step": 1, "trust": None}]) if f.title == "Trust in the judge"]


def test_a_step_says_how_far_the_judge_is_trusted() -> None:
    train = TrainState()
    train.take(3, {"trust": trust(0.5, 0.25, 9)})
    assert "trust 0.500" in train_parts(train)


def test_a_group_left_alone_says_why() -> None:
    assert "no weight" in str(reason_words({"reason": "untrusted"}))
