"""Stage `report`: report.html from the run's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgpo_cli.display.report import write_report
from sgpo_cli.runs.rundir import RunDir
from sgpo_cli.stages.context import StageContext


def run(context: StageContext) -> dict[str, Any]:
    return {"report": str(write_report(RunDir(Path(context.inputs["run"]))))}
