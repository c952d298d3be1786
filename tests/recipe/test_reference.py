"""docs/recipe.md says what the schema says, and the schema says something of everything."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator

import pytest

from sgpo_cli.recipe import evalcard, guidance, kinds, schema
from sgpo_cli.recipe.hints import describe, hints_of
from sgpo_cli.recipe.reference import reference, sentences
from tests.conftest import REPOSITORY


def _sections() -> Iterator[type]:
    for module in (schema, kinds, guidance, evalcard):
        assert isinstance(module, types.ModuleType)
        yield from (
            thing
            for thing in vars(module).values()
            if isinstance(thing, type) and dataclasses.is_dataclass(thing) and thing.__module__ == module.__name__
        )


def test_the_reference_is_up_to_date() -> None:
    told = "run: python -m sgpo_cli.recipe.reference docs/recipe.md"
    assert (REPOSITORY / "docs" / "recipe.md").read_text(encoding="utf-8") == reference(), told


@pytest.mark.parametrize("section", list(_sections()), ids=lambda section: section.__name__)
def test_every_field_has_one_sentence_and_a_type_in_words(section: type) -> None:
    assert section.__doc__ and not section.__doc__.startswith(f"{section.__name__}(")
    for name, hint in hints_of(section).items():
        assert describe(hint)
        if name != "kind" or section is evalcard.Grading:
            assert sentences(section)[name].endswith((".", "...")), f"{section.__name__}.{name}"
