"""`key=value` from the command line, applied to a recipe's tree in their order.

The value is YAML (`trainer.steps=10`, `judge=null`, `rescue={kind: none}`). List items are numbered from 0
(`benchmarks.0.k=4`, also `benchmarks[0].k=4`). A mapping merges into the section it names, as under `extends:`;
anything else replaces. An override that cannot be read or placed is a mistake of its own
(`override 2 (trainer.stepz=1)`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.nodes import Findings, Node, Place, merge
from sgpo_cli.recipe.yamlio import compose

_FORM = "write key=value, such as trainer.steps=10"


class _NoPlace(Exception):
    """The path of an override leads nowhere."""


def apply(tree: Node, overrides: Sequence[str], findings: Findings) -> Node:
    """`tree` with every override applied; the tree itself is left as it was."""
    for number, text in enumerate(overrides, start=1):
        place = Place(override=number, text=text)
        parsed = _parse(text, place, findings)
        if parsed is None:
            continue
        keys, value = parsed
        try:
            tree = _put(tree, keys, value, [])
        except _NoPlace as problem:
            findings.add(".".join(keys), str(problem), place)
    return tree


def _parse(text: str, place: Place, findings: Findings) -> tuple[list[str], Node] | None:
    name, equals, written = text.partition("=")
    keys = re.sub(r"\[(\d+)\]", r".\1", name.strip()).split(".")
    if not equals or not all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys):
        findings.add(f"({text})", f"cannot read {text!r}", place, _FORM)
        return None
    if keys == ["extends"]:
        fix = "name that recipe on the command line instead"
        findings.add("extends", "`extends` belongs in a recipe file", place, fix)
        return None
    path = ".".join(keys)
    try:
        value = compose(written, place, findings, path)
    except UserError as problem:
        fix = f"put the value in quotes of its own: '{path}=\"...\"'"
        findings.add(path, f"cannot read the value of {path}: {problem.what}", place, fix)
        return None
    if value is None:
        findings.add(path, f"{path} has no value", place, f"write {path}=null, or '{path}=\"\"' for empty text")
        return None
    return keys, value


def _put(node: Node, keys: list[str], value: Node, above: list[str]) -> Node:
    """`node` with `value` laid over what stands at `keys` below it; sections that are not there yet are made."""
    if not keys:
        return merge(node, value)
    key, *rest = keys
    here = [*above, key]
    if isinstance(node.value, list):
        items = list(node.value)
        if not key.isdigit():
            raise _NoPlace(f"{'.'.join(above)} is a list: number its item, {'.'.join([*above, '0', *keys])}")
        if int(key) >= len(items):
            held = f"{len(items)} item{'s' * (len(items) != 1)}"
            raise _NoPlace(f"{'.'.join(above)} has {held}, numbered from 0: there is no {'.'.join(here)}")
        items[int(key)] = _put(items[int(key)], rest, value, here)
        return Node(items, node.place)
    below = node.child(key)
    if rest:
        value = _put(below or Node({}, value.place), rest, value, here)
    elif below is not None:
        value = merge(below, value)
    return merge(node, Node({key: value}, node.place if isinstance(node.value, dict) else value.place))
