"""Loading a recipe: extends, overrides, interpolation, paths, the walker, the checks; all mistakes at once.

Precedence, lowest first: the schema's defaults, the recipe that `extends:` names (and what that one extends), the
recipe, the `key=value` overrides from left to right. Mappings merge, lists and scalars replace, and a section whose
`kind` changes drops what it inherited (nodes.merge). `name` is not inherited: it defaults to the recipe's own stem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sgpo_cli.errors import Mistake, RecipeError, UserError
from sgpo_cli.recipe import overrides as overrides_
from sgpo_cli.recipe.find import find_card
from sgpo_cli.recipe.interpolate import escape, interpolate
from sgpo_cli.recipe.nodes import Findings, Node, Place, merge, shown, walk
from sgpo_cli.recipe.paths import resolve_paths
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.recipe.walker import from_dict, read
from sgpo_cli.recipe.yamlio import dump, read_file

__all__ = ["LoadedRecipe", "from_dict", "load_recipe", "to_dict"]


@dataclass(kw_only=True)
class LoadedRecipe:
    """A recipe that holds, and where it came from."""

    recipe: Recipe
    path: Path
    """The recipe's file."""
    sources: list[Path]
    """That file, then the files it extends."""
    resolved: dict[str, Any] = field(repr=False)
    """Plain values of the whole recipe, defaults included; `from_dict(Recipe, ...)` gives the recipe back."""
    places: dict[str, Place] = field(repr=False)
    """Dotted path of every key that a file or an override gives -> its place."""
    warnings: list[Mistake] = field(default_factory=list)
    """What may be meant but looks odd."""

    def where(self, path: str) -> str:
        """The place of a key, or of the section it would stand in: for mistakes that others find later."""
        return str(place_of(self.places, path))

    def to_yaml(self) -> str:
        """The resolved recipe as a file that loads to an equal recipe, from any directory."""
        return dump(escape(self.resolved))


def to_dict(section: Any) -> dict[str, Any]:
    """Plain values of a dataclass of the schema: dicts, lists, scalars."""
    plain: dict[str, Any] = _lists(asdict(section))
    return plain


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return value


def place_of(places: dict[str, Place], path: str) -> Place:
    """The place of `path`, or of the nearest section around it that is written down."""
    while path and path not in places:
        path = path.rpartition(".")[0]
    return places[path]


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = (), *, check: bool = True) -> LoadedRecipe:
    """The recipe of that name or path, with overrides applied and (unless `check` is off) its fields checked together.

    `RecipeError` with all the mistakes; `UserError` when a file is missing or is not YAML.
    """
    findings = Findings()
    path = find_card("recipes", name_or_path)
    tree, sources = _extended(path, findings)
    tree = overrides_.apply(tree, overrides, findings)
    _default_name(tree, path)
    tree = interpolate(tree, to_dict(Recipe(name="")), findings)
    resolve_paths(tree, path, findings, names=check)
    recipe = read(Recipe, tree, findings)
    places = {key: node.place for key, node in walk(tree)}
    if not isinstance(recipe, Recipe):
        # Only a name is required: with another in its place the rest can be checked all the same.
        assert isinstance(tree.value, dict)
        tree.value["name"] = Node(path.stem, Place(file=path))
        recipe = read(Recipe, tree, Findings())
    warnings: list[Mistake] = []
    if check and isinstance(recipe, Recipe):
        from sgpo_cli.recipe.checks import check_recipe

        warnings = check_recipe(recipe, places, findings)
    mistakes = findings.mistakes(sources)
    if mistakes:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise RecipeError(mistakes, title=f"{count} in recipe {path.stem}")
    return LoadedRecipe(
        recipe=recipe, path=path, sources=sources, resolved=to_dict(recipe), places=places, warnings=warnings
    )


def _default_name(tree: Node, path: Path) -> None:
    assert isinstance(tree.value, dict)
    name = tree.value.get("name")
    if name is None or name.value is None:
        tree.value["name"] = Node(path.stem, Place(file=path))


def _extended(path: Path, findings: Findings) -> tuple[Node, list[Path]]:
    """The tree of a recipe laid over those it extends, and the files, the recipe's own first."""
    chain: list[Node] = []
    sources = [path]
    while True:
        tree = read_file(sources[-1], findings)
        chain.append(tree)
        parent = _parent(tree, sources)
        if parent is None:
            break
        sources.append(parent)
    whole = chain[-1]
    for tree in reversed(chain[:-1]):
        assert isinstance(whole.value, dict)
        whole.value.pop("name", None)
        whole = merge(whole, tree)
    return whole, sources


def _parent(tree: Node, sources: list[Path]) -> Path | None:
    """Takes `extends` out of a recipe and finds the file; `UserError` for a missing one or a circle."""
    assert isinstance(tree.value, dict)
    extends = tree.value.pop("extends", None)
    if extends is None or extends.value is None:
        return None
    if not isinstance(extends.value, str):
        raise UserError("extends takes one recipe, by name or path", where=str(extends.place), fix="extends: tiny_grpo")
    try:
        parent = find_card("recipes", extends.value, beside=[sources[-1].parent])
    except UserError as problem:
        raise UserError(f"extends: {problem.what}", where=str(extends.place), fix=problem.fix) from None
    if parent in sources:
        circle = " -> ".join(shown(path) for path in [*sources[sources.index(parent) :], parent])
        raise UserError(f"extends goes in a circle: {circle}", where=str(extends.place))
    return parent
