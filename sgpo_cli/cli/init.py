"""`sgpo init [NAME]`: a new recipe from a few questions, or from flags."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sgpo_cli.cli.options import Json
from sgpo_cli.errors import UserError

_COLUMNS = ("problem", "answer", "solution", "difficulty", "id")


def init(
    name: Annotated[str | None, typer.Argument(help="Its name: recipes/NAME.yaml, runs/NAME.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hub id or folder of the policy.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="hops, a JSONL file, a folder, or a hub id.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="sgpo, g2rpoa, both or grpo.")] = None,
    judge: Annotated[str | None, typer.Option("--judge", help="Judge card: sgpo list judges.")] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Your columns' names: problem=question,solution=trace.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="Accelerator to plan for: h100-80gb.")] = None,
    lora: Annotated[bool, typer.Option("--lora", help="Train adapters only.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; what was not said is the default.")] = False,
    as_json: Json = False,
) -> None:
    """Write a new, commented recipe that loads and plans; asks what was not said when there is a terminal."""
    from sgpo_cli.display.console import Screen, show_mistakes
    from sgpo_cli.pipeline.starter import Answers, write_recipe

    screen = Screen.open(as_json=as_json)
    ask = _questions(asking=not yes and not as_json and _at_a_terminal())
    method = method or ask("Method (sgpo, g2rpoa, both, grpo)", "sgpo")
    data = data or ask("Data (hops, a JSONL file, or a hub id)", "hops")
    if data != "hops":
        from sgpo_cli.pipeline.starter.answers import MODEL

        model = model or ask("Model (a hub id or a folder)", MODEL)
    name = name or (out.stem if out is not None else ask("Name", f"my_{method}"))
    target = out if out is not None else Path("recipes") / f"{name}.yaml"
    made = write_recipe(
        Answers(name, method, data, model, judge, device, lora, _columns(columns)),
        target,
    )
    show_mistakes(made.warnings, screen.err)
    shown = name if out is None else str(target)
    following = [f"sgpo plan {shown}", f"sgpo train {shown} --smoke", f"sgpo train {shown}"]
    lines = [f"wrote {target}", *(f"  {line}" for line in following)]
    screen.show("\n".join(lines), {"recipe": str(target), "name": name, "next": following})


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _questions(*, asking: bool) -> Callable[[str, str], str]:
    """Asks at a terminal; without one the default is taken, so that nothing ever waits for nobody."""

    def ask(question: str, default: str) -> str:
        return str(typer.prompt(question, default=default, err=True)) if asking else default

    return ask


def _columns(told: str | None) -> dict[str, str]:
    found = {}
    for part in (told or "").split(","):
        what, equals, column = (piece.strip() for piece in part.partition("="))
        if not part.strip():
            continue
        if not equals or not column or what not in _COLUMNS:
            fix = f"write what=column, of {', '.join(_COLUMNS)}: --columns problem=question"
            raise UserError(f"--columns {part}: not understood", fix=fix)
        found[what] = column
    return found
