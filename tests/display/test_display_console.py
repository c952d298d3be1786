"""Where output goes, how errors look, and what the room may import."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from sgpo_cli.display.console import Screen, make_console, show_error
from sgpo_cli.errors import Interrupted, Mistake, RecipeError, RunFailed, UserError


def shown(error: UserError | RunFailed | Interrupted) -> str:
    stream = io.StringIO()
    show_error(error, make_console(stream))
    return stream.getvalue()


def test_an_error_says_what_where_and_what_to_type() -> None:
    said = shown(UserError("no such file: a.jsonl", where="recipes/x.yaml:3", fix="write data.source"))
    assert said == "error: recipes/x.yaml:3: no such file: a.jsonl\n  write data.source\n"


def test_a_recipes_mistakes_are_a_list() -> None:
    mistakes = [
        Mistake("unknown key learning_rte", "a.yaml:12", "nearest: learning_rate"),
        Mistake("not a number", "override 2"),
    ]
    assert shown(RecipeError(mistakes, title="2 mistakes in a.yaml")).splitlines() == [
        "error: 2 mistakes in a.yaml",
        "  a.yaml:12: unknown key learning_rte",
        "    nearest: learning_rate",
        "  override 2: not a number",
    ]


def test_an_interruption_is_not_called_an_error() -> None:
    assert (
        shown(Interrupted("state saved", fix="to go on: sgpo train x"))
        == "stopped: state saved\n  to go on: sgpo train x\n"
    )


def test_stopped_is_said_once() -> None:
    assert shown(Interrupted("stopped; the labels so far are kept")) == "stopped; the labels so far are kept\n"


def test_markup_in_a_message_is_text_and_a_long_path_is_not_broken() -> None:
    path = "/very/long" * 20
    assert shown(RunFailed(f"[red]no[/red] {path}")) == f"error: [red]no[/red] {path}\n"


def test_json_goes_to_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen.open(as_json=True)
    screen.say("working")
    screen.show("a table", {"a": float("nan")})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": None, "reasons": {"a": "not finite: nan"}} and err == "working\n"


def test_without_json_the_table_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen.open()
    screen.show("a table", {"a": 1})
    screen.warn("careful", where="a.yaml:1", fix="do b")
    out, err = capsys.readouterr()
    assert out == "a table\n" and err == "warning: a.yaml:1: careful\n  do b\n"


def test_no_color_is_obeyed_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31" not in shown(UserError("bad"))


def test_an_ascii_stream_does_not_end_the_run() -> None:
    code = "from sgpo_cli.display.console import Screen; Screen.open().say('✓ ▁▂▃ –')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 0 and b"?" in done.stdout, done.stderr


def test_the_room_imports_nothing_heavy() -> None:
    rooms = ", ".join(f"sgpo_cli.display.{name}" for name in ("live", "compare", "show", "report.page"))
    heavy = "{'torch', 'transformers', 'trl', 'datasets', 'pandas', 'numpy', 'jinja2'}"
    code = f"import sys, {rooms}; found = {heavy} & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
