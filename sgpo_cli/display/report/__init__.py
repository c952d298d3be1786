"""report.html: one file that explains a run to somebody who was not there. No requests, no scripts."""

from __future__ import annotations

from pathlib import Path

from sgpo_cli.display.words import visible
from sgpo_cli.runs.files import write_text
from sgpo_cli.runs.rundir import RunDir


def write_report(run: RunDir) -> Path:
    """Writes runs/NAME/report.html from the run's files, however far it is, and returns its path."""
    # Imported here: `sgpo --help` must not pay for a template engine.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from sgpo_cli.display.report.page import page

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = (here / "style.css").read_text(encoding="utf-8")
    html = environment.get_template("page.html.j2").render(style=style, **page(run))
    # Names, problems and reasons come from elsewhere: what cannot be shown, or encoded, is replaced once for all.
    write_text(run.report, visible(html))
    return run.report
