"""What a rule sees and how it speaks, and the list of all rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sgpo_cli.recipe.nodes import Findings, Place
from sgpo_cli.recipe.schema import Recipe


@dataclass
class View:
    """A recipe under check. `error` stops it, `warn` only tells; both find the line of the key themselves."""

    recipe: Recipe
    places: dict[str, Place]
    errors: Findings
    warnings: Findings = field(default_factory=Findings)

    def error(self, path: str, what: str, fix: str | None = None) -> None:
        self.errors.add(path, what, self.place(path), fix)

    def warn(self, path: str, what: str, fix: str | None = None) -> None:
        self.warnings.add(path, what, self.place(path), fix)

    def place(self, path: str) -> Place:
        """Where `path` is written, or the section it would stand in."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places[path]

    def blame(self, *paths: str) -> str:
        """Of several keys that do not fit together the one to point at: set by an override, else written at all."""
        given = [path for path in paths if path in self.places]
        by_hand = [path for path in given if self.places[path].override is not None]
        return (by_hand or given or list(paths))[0]


Rule = Callable[[View], None]

RULES: list[tuple[Rule, tuple[str, ...]]] = []
"""Every rule with the keys it reads. A rule is left out while one of its keys is mistaken in itself."""


def reads(*paths: str) -> Callable[[Rule], Rule]:
    """Registers a rule that looks at the keys `paths`."""

    def register(rule: Rule) -> Rule:
        RULES.append((rule, paths))
        return rule

    return register
