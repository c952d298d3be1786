"""How long prompts are, from the first rows of local data, counted by the recipe's tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from sgpo_cli.errors import SgpoError
from sgpo_cli.recipe.schema import Recipe

LOOKED_AT = 200
"""Rows that are read; a plan answers at once."""
_ASSUMED = 256
"""Tokens of problems that are not here."""
_BYTES = 3.5
"""Of mathematics in a token, where the tokenizer is not here."""


_COUNTED: dict[str, Prompts] = {}
"""A search for changes that fit estimates hundreds of times."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Tokens of a prompt."""

    mean: int
    longest: int


def prompts_of(recipe: Recipe) -> Prompts:
    """Of the rows at hand; `_ASSUMED` where there are none, or none can be read (which is told elsewhere)."""
    data = recipe.data
    if data.source == "hops":
        return Prompts(data.hops.hops + 2, data.hops.hops + 2)
    key = f"{data} {recipe.model}"
    if key not in _COUNTED:
        _COUNTED[key] = _count(recipe)
    return _COUNTED[key]


def _count(recipe: Recipe) -> Prompts:
    data = recipe.data
    path = Path(data.source)
    if not path.is_file():
        return Prompts(_ASSUMED, _ASSUMED)
    from sgpo_cli.data.rows import load_rows
    from sgpo_cli.pipeline.long_prompts import prompt_lengths

    try:
        rows = load_rows(path, columns=data.columns, limit=LOOKED_AT)
    except SgpoError:
        return Prompts(_ASSUMED, _ASSUMED)
    count = prompt_lengths(recipe, 0)
    lengths = count(rows) if count is not None else [int(len(row.problem.encode()) / _BYTES) for row in rows]
    return Prompts(max(1, round(mean(lengths))), max(lengths)) if lengths else Prompts(_ASSUMED, _ASSUMED)
