"""Where output goes: results to stdout, everything else to stderr, one JSON document on stdout under `--json`.

Colour follows the terminal and NO_COLOR (Rich's own rules); no meaning hangs on colour alone. Tables fit 80 columns.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.text import Text
from rich.theme import Theme

from sgpo_cli.errors import Interrupted, Mistake, RecipeError, SgpoError, placed
from sgpo_cli.runs.files import to_json

THEME = Theme(
    {
        "title": "bold",
        "quiet": "dim",
        "key": "cyan",
        "good": "green",
        "bad": "red",
        "note": "yellow",
        "path": "cyan",
        "step.right": "green",
        "step.passed": "green",
        "step.wrong": "bold red",
        "step.after": "dim",
        "step.injected": "magenta",
        "step.unjudged": "default",
        "group.all_correct": "green",
        "group.mixed": "blue",
        "group.rescued": "yellow",
        "group.all_negative": "red",
        "group.ungraded": "magenta",
    }
)


def make_console(stream: TextIO | None = None, *, width: int | None = None) -> Console:
    """A console on `stream` (stdout when None). Without a terminal: no colour, no animation, 80 columns."""
    target = sys.stdout if stream is None else stream
    # A terminal that cannot print a bar or a tick shows `?` in its place; it never ends the run.
    if target in (sys.stdout, sys.stderr) and target.encoding.lower().replace("-", "") != "utf8":
        target.reconfigure(errors="replace")  # type: ignore[union-attr]
    return Console(file=target, theme=THEME, width=width, highlight=False, emoji=False, markup=False)


@dataclass(frozen=True, slots=True)
class Screen:
    """`out` takes tables and progress, `err` errors and warnings; under `--json` both are stderr."""

    out: Console
    err: Console
    as_json: bool = False

    @classmethod
    def open(cls, *, as_json: bool = False) -> Screen:
        err = make_console(sys.stderr)
        return cls(out=err if as_json else make_console(), err=err, as_json=as_json)

    def show(self, table: RenderableType, document: Any) -> None:
        """Prints the table, or, under `--json`, the document in its place (call it once a command)."""
        if self.as_json:
            sys.stdout.write(to_json(document, indent=2) + "\n")
            sys.stdout.flush()
        else:
            self.out.print(table)

    def say(self, text: str | Text) -> None:
        """One line for the person; a long path is left whole, so that it can be copied."""
        self.out.print(text, soft_wrap=True)

    def warn(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.err.print(_finding(Mistake(what, where, fix), "warning: ", "note"), soft_wrap=True)

    def error(self, error: SgpoError) -> None:
        show_error(error, self.err)


def show_error(error: SgpoError, console: Console | None = None) -> None:
    """Prints what is wrong, where, and what to type (stderr by default); a `RecipeError` as a list, no traceback."""
    target = make_console(sys.stderr) if console is None else console
    target.print(_describe(error), soft_wrap=True)


def _describe(error: SgpoError) -> RenderableType:
    if isinstance(error, RecipeError):
        title = Text("error: ", style="bad").append(error.title, style="title")
        return Group(title, *(_finding(mistake, "  ", "bad") for mistake in error.mistakes))
    if isinstance(error, Interrupted):
        said = error.what.removeprefix("stopped")
        label = "stopped: " if said == error.what else "stopped"  # said once
        return _finding(Mistake(said, error.where, error.fix), label, "note")
    return _finding(Mistake(error.what, error.where, error.fix), "error: ", "bad")


def _finding(mistake: Mistake, label: str, style: str) -> Text:
    """`label where: what`, with the advice on a line of its own, indented."""
    text = Text(label, style=style)
    if where := placed(mistake.what, mistake.where):
        text.append(f"{where}: ", style="path")
    text.append(mistake.what, style="default")
    if mistake.fix:
        indent = "    " if label.isspace() else "  "
        for line in mistake.fix.splitlines():
            text.append(f"\n{indent}{line}", style="note" if style == "bad" else "default")
    return text


def show_mistakes(mistakes: list[Mistake], console: Console) -> None:
    """Prints warnings of a recipe, one a line."""
    for mistake in mistakes:
        console.print(_finding(mistake, "warning: ", "note"), soft_wrap=True)
