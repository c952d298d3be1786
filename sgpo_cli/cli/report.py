"""`sgpo report RUN`: write report.html anew and say where it is."""

from __future__ import annotations

from sgpo_cli.cli.options import Json, Run


def report(run: Run, as_json: Json = False) -> None:
    """Write a run's report.html, finished or not."""
    from sgpo_cli.display.console import Screen
    from sgpo_cli.display.report import write_report
    from sgpo_cli.display.tables import result_json, result_table
    from sgpo_cli.runs.rundir import find_run

    screen = Screen.open(as_json=as_json)
    found = find_run(run)
    path = write_report(found)
    screen.show(result_table(found), {**result_json(found), "report": str(path)})
    screen.say(f"report: {path}")
