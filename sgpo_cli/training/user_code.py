"""Functions of the user's, named in a recipe as `package.module:function` or `file.py:function`."""

from __future__ import annotations

import importlib
import importlib.util
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from sgpo_cli.errors import UserError


def load_function(path: str) -> Callable[..., Any]:
    """The function that `path` names; `UserError` says which part of it is wrong."""
    place, colon, name = path.rpartition(":")
    if not colon or not place or not name:
        raise UserError(f"{path!r} names no function", fix="write package.module:function or file.py:function")
    module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    found = vars(module).get(name)
    if found is None:
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        near = get_close_matches(name, functions, n=3) or functions[:5]
        raise UserError(f"{place} has no function {name!r}", fix=f"it has: {', '.join(near) or 'none'}")
    if not callable(found):
        raise UserError(f"{path} is a {type(found).__name__}, not a function")
    return found


def line_of(problem: BaseException) -> str | None:
    """`file:line` at which a function of the user's raised."""
    frames = traceback.extract_tb(problem.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"no such file: {path}", fix="the path is relative to where you run sgpo, or absolute")
    spec = importlib.util.spec_from_file_location(f"sgpo_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        raise UserError(f"cannot import it: {type(problem).__name__}: {problem}", where=str(path)) from problem
    return module


def _from_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as problem:
        raise UserError(
            f"cannot import {name}: {type(problem).__name__}: {problem}",
            fix="is it installed here, and on PYTHONPATH? a plain file works too: file.py:function",
        ) from problem
