"""`sgpo init`: a new recipe, commented, from a few answers; what the data holds is looked up in its first rows."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.starter.answers import Answers, settled
from sgpo_cli.pipeline.starter.text import recipe_text
from sgpo_cli.recipe.load import LoadedRecipe, load_recipe
from sgpo_cli.runs.files import make_dir, write_text


def write_recipe(answers: Answers, out: Path) -> LoadedRecipe:
    """Writes the recipe and gives it back loaded; nothing is left at `out` when it does not load.

    Raises:
        UserError: `out` exists, the data cannot be read or lacks a column that the method needs, a name is unknown.
    """
    if os.path.lexists(out):
        raise UserError("it exists, and sgpo init never overwrites", where=str(out), fix="another NAME, or --out FILE")
    text = recipe_text(settled(answers))
    make_dir(out.parent)
    # Looked at in the place where it will stand, for names are looked up beside it.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".sgpo-init-") as folder:
        draft = Path(folder) / out.name
        write_text(draft, text)
        load_recipe(draft)
    write_text(out, text)
    return load_recipe(out)


__all__ = ["Answers", "settled", "write_recipe"]
