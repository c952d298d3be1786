"""`sgpo init`: a new recipe, commented, from a few answers; what the data holds is looked up in its first rows."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sgpo_cli.errors import Mistake, RecipeError, UserError
from sgpo_cli.pipeline.starter.answers import Answers, settled
from sgpo_cli.pipeline.starter.text import recipe_text
from sgpo_cli.recipe.find import installed_cards, is_path
from sgpo_cli.recipe.load import LoadedRecipe, load_recipe
from sgpo_cli.recipe.lookup import listed
from sgpo_cli.recipe.nodes import shown
from sgpo_cli.runs.files import make_dir, write_text


def write_recipe(answers: Answers, out: Path) -> LoadedRecipe:
    """Writes the recipe and gives it back loaded; nothing is left at `out` when it does not load.

    Raises:
        UserError: `out` exists, its name is a shipped recipe's or no name, the data cannot be read or lacks a column
            that the method needs, a name is unknown.
    """
    _refuse_name(answers.name, out)
    if os.path.lexists(out):
        raise UserError("it exists, and sgpo init never overwrites", where=str(out), fix="another NAME, or --out FILE")
    given = settled(answers)
    text = recipe_text(given)
    make_dir(out.parent)
    # Looked at in the place where it will stand, for names are looked up beside it.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".sgpo-init-") as folder:
        draft = Path(folder) / out.name
        write_text(draft, text)
        try:
            load_recipe(draft)
        except UserError as problem:
            raise _of_the_answers(problem, given, draft, out) from None
    write_text(out, text)
    loaded = load_recipe(out)
    loaded.warnings += given.found.odd if given.found is not None else ()
    return loaded


def _refuse_name(name: str, out: Path) -> None:
    """`UserError` for what cannot be a run's name, and for a name that would hide the recipe which the new one may
    extend."""
    if is_path(name) or not name.strip() or name.startswith("."):
        fix = "give a plain name, and a place with --out: sgpo init my_run --out FOLDER/my_run.yaml"
        raise UserError(f"{name!r} is no name of a recipe", fix=fix)
    shipped = {path.stem for path in listed(installed_cards("recipes"))}
    for taken in (name, out.stem):
        if taken in shipped:
            what = f"{taken} is a recipe that came with sgpo: two of that name would be taken for each other"
            raise UserError(what, fix=f"choose another name: sgpo init my_{taken}")


def _of_the_answers(problem: UserError, answers: Answers, draft: Path, out: Path) -> UserError:
    """What is wrong with the answers, by the flags that gave them; the draft was never the person's to look into."""

    def moved(text: str | None) -> str:
        for old, new in ((draft, out), (draft.parent, out.parent)):
            text = (text or "").replace(str(old), str(new)).replace(shown(old), str(new))
        return text or ""

    if not isinstance(problem, RecipeError):
        return UserError(moved(problem.what), where=str(out), fix=moved(problem.fix) or None)
    told = [Mistake(moved(one.what), _flag(one.what, answers), moved(one.fix) or None) for one in problem.mistakes]
    return RecipeError(told, title="sgpo init was told what no recipe takes")


def _flag(what: str, answers: Answers) -> str | None:
    """The flag that a mistake is about, by the key that its message begins with."""
    key = what.split(maxsplit=1)[0].rstrip(":")
    flags = {
        "launch.device": f"--device {answers.device}",
        "model.path": f"--model {answers.model}",
        "data.source": f"--data {answers.data}",
        "judge.card": f"--judge {answers.judge}",
        "name": f"NAME {answers.name}",
    }
    return flags.get(key)


__all__ = ["Answers", "settled", "write_recipe"]
