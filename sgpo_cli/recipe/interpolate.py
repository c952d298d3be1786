"""Interpolation: `${seed}`, `${trainer.steps}`, `${oc.env:HOME}`, by OmegaConf, with the mistake at its own line.

A key that the recipe leaves out has its default. Literal `${` is written `\\${`. OmegaConf is imported only when a
recipe interpolates: it takes longer to import than a recipe takes to load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

from sgpo_cli.recipe.nodes import Findings, Node, from_plain, to_plain

_Keys = tuple[str | int, ...]


def interpolate(tree: Node, defaults: dict[str, Any], findings: Findings) -> Node:
    """`tree` with every interpolation replaced by its value; one that cannot be resolved is noted and left broken."""
    written = [(keys, node) for keys, node in _leaves(tree, ()) if isinstance(node.value, str) and "${" in node.value]
    if not written:
        return tree
    from omegaconf import Container, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    def fail(keys: _Keys, node: Node, problem: Exception) -> None:
        path = ".".join(map(str, keys))
        findings.add(path, f"cannot resolve {node.value!r}: {_reason(problem)}", node.place, _fix(str(node.value)))
        node.value, node.broken = None, True

    for keys, node in written:
        try:
            OmegaConf.create({"text": node.value})  # the grammar alone
        except (OmegaConfBaseException, RecursionError) as problem:
            fail(keys, node, problem)
    config = OmegaConf.create(_complete(to_plain(tree), defaults))
    for keys, node in written:
        if node.broken:
            continue
        try:
            value = reduce(getitem, keys, config)
            plain = OmegaConf.to_container(value, resolve=True) if isinstance(value, Container) else value
            resolved = from_plain(plain, node.place)
        except (OmegaConfBaseException, RecursionError, TypeError, ValueError) as problem:
            fail(keys, node, problem)
        else:
            node.value, node.raw = resolved.value, str(node.value)
    return tree


def _leaves(node: Node, keys: _Keys) -> Iterator[tuple[_Keys, Node]]:
    """The values that hold no others, each with the keys that lead to it."""
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from _leaves(item, (*keys, key))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from _leaves(item, (*keys, index))
    else:
        yield keys, node


def _reason(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "it goes in a circle"
    return next(iter(str(problem).splitlines()), type(problem).__name__)


def _fix(raw: str) -> str:
    if "oc.env" in raw:
        return "set that variable, or give a default: ${oc.env:NAME,default}"
    return "name a key of the recipe, as ${trainer.steps}; a literal ${ is written \\${"


def escape(value: Any) -> Any:
    """`value` such that loading it again gives the same text where it holds a literal `${`."""
    if isinstance(value, str):
        # OmegaConf halves the backslashes right before `${` and takes an odd one as the escape.
        return re.sub(r"(\\*)\$\{", lambda match: f"{match.group(1) * 2}\\${{", value)
    if isinstance(value, dict):
        return {key: escape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escape(item) for item in value]
    return value


def _complete(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """`given` with the defaults of the keys that it leaves out; a section of another kind takes none."""
    if given.get("kind", defaults.get("kind")) != defaults.get("kind"):
        return given
    full = dict(defaults)
    for key, value in given.items():
        below = defaults.get(key)
        full[key] = _complete(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return full
