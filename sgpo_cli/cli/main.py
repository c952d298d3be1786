"""The `sgpo` command."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

import sgpo_cli
from sgpo_cli.cli import compare, doctor, evaluate, export, init, judge, listing, plan, report, show, train
from sgpo_cli.errors import SgpoError

app = typer.Typer(
    name="sgpo",
    help="When every answer in the group is wrong, GRPO learns nothing. sgpo gives those groups a signal.",
    epilog="Start with: sgpo train recipes/tiny_sgpo.yaml",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sgpo {sgpo_cli.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """When every answer in the group is wrong, GRPO learns nothing. sgpo gives those groups a signal."""


app.command("train")(train.train)
app.command("plan")(plan.show_plan)
app.command("judge")(judge.judge)
app.command("eval")(evaluate.evaluate)
app.command("report")(report.report)
app.command("show")(show.show)
app.command("compare")(compare.compare)
app.command("export")(export.export)
app.command("list")(listing.list_cards)
app.command("doctor")(doctor.doctor)
app.command("init")(init.init)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code (0 done, 1 failed, 2 wrong input, 130/143 interrupted)."""
    try:
        app(args=arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except SgpoError as problem:
        from sgpo_cli.display.console import show_error

        show_error(problem)
        return problem.exit_code
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def run() -> None:
    # Commands that have a state to save install their own handlers; the others just end.
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main())


if __name__ == "__main__":
    run()
