"""An accelerate configuration of the person's own (`launch.config_file`): read before anything is paid for, for
accelerate reads it only where stage train begins, and what is wrong in it ends in its own traceback there."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import Launch
from sgpo_cli.recipe.trl_fields import class_fields
from sgpo_cli.recipe.words import nearest

_AT = "launch.config_file"
_MAKE = "`accelerate config --config_file FILE` writes one; or take it out: sgpo writes one from the keys of launch"
_ONE = {"NO", "MULTI_CPU"}
"""Distributed types for which `accelerate launch` starts one process, whatever `num_processes` says."""
_SOURCE = "commands/config/config_args.py"
_OLD = {"fp16", "dynamo_backend"}
"""Keys that accelerate rewrites."""


@reads("launch.engine", "launch.processes", "launch.nodes", "launch.config_file")
def config_file_starts_what_is_asked(view: View) -> None:
    launch = view.recipe.launch
    file = None if launch.config_file is None else Path(launch.config_file)
    if launch.engine != "accelerate" or file is None or not file.is_file():
        return
    told, wrong = _read(file)
    if wrong is not None:
        view.error(_AT, wrong, _MAKE)
        return
    if (odd := _odd(told, file)) is not None:
        view.error(_AT, f"{file}: {odd[0]}", odd[1])
    elif (differs := _starts_others(told, launch)) is not None:
        view.error(view.blame("launch.processes", "launch.nodes", _AT), f"{file}: {differs[0]}", differs[1])


def _read(file: Path) -> tuple[dict[str, Any], str | None]:
    """Its keys; or why accelerate could not read them, with the line where that is known."""
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
        told = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except UnicodeDecodeError:
        return {}, f"{file}: not UTF-8 text"
    except OSError as problem:
        return {}, f"{file}: cannot read it: {problem.strerror}"
    except json.JSONDecodeError as problem:
        return {}, f"{file}:{problem.lineno}: not JSON: {problem.msg}"
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        last = text.rstrip().count("\n") + 1  # what is missing at the end is missed one line further on
        line = f":{min(mark.line + 1, last)}" if mark is not None else ""
        return {}, f"{file}{line}: not YAML: {getattr(problem, 'problem', None) or problem}"
    if not isinstance(told, dict):
        return {}, f"{file}: no accelerate configuration: it must hold keys, such as `num_processes: 2`"
    return told, None


def _odd(told: dict[str, Any], file: Path) -> tuple[str, str] | None:
    """What accelerate would refuse."""
    known = _known()
    unknown = sorted(str(key) for key in told if known is not None and key not in known)
    if unknown:
        near = nearest(unknown[0], sorted(known or ()), 2)
        guess = f"did you mean {' or '.join(near)}? " if near else ""
        return f"no key of accelerate's configuration: {', '.join(unknown)}", f"{guess}{_MAKE}"
    if told.get("compute_environment", "LOCAL_MACHINE") != "LOCAL_MACHINE":
        what = f"compute_environment {told['compute_environment']}: sgpo starts processes on machines of yours only"
        return what, "write compute_environment: LOCAL_MACHINE"
    if "distributed_type" not in told:
        return "distributed_type is missing", "write distributed_type: MULTI_GPU (also for several processes on a CPU)"
    if not isinstance(told["distributed_type"], str):
        return (
            "distributed_type is no text: YAML reads a bare NO as false",
            "write it in quotes: distributed_type: 'NO'",
        )
    return None


def _starts_others(told: dict[str, Any], launch: Launch) -> tuple[str, str] | None:
    """Other processes than the recipe's: their share of a batch would be another."""
    kind, wanted = str(told["distributed_type"]), launch.processes * launch.nodes
    count = told.get("num_processes", 1 if kind == "NO" else None)
    machines = f" (launch.processes {launch.processes} x launch.nodes {launch.nodes})" if launch.nodes > 1 else ""
    if kind in _ONE and wanted > 1:
        what = f"distributed_type {kind} starts one process, and the recipe asks for {wanted}{machines}"
        return what, "write distributed_type: MULTI_GPU there (with use_cpu: true on a CPU), or launch.processes=1"
    if count != wanted:
        starts = "does not say num_processes" if count is None else f"num_processes {count}"
        what = f"{starts}, and the recipe asks for {wanted}{machines}"
        return what, f"write num_processes: {wanted} there: it counts those of all machines; or change launch.processes"
    if told.get("num_machines", 1) != launch.nodes:
        what = f"num_machines {told.get('num_machines', 1)}, and the recipe asks for launch.nodes {launch.nodes}"
        return what, f"write num_machines: {launch.nodes} there, or change launch.nodes"
    return None


@cache
def _known() -> frozenset[str] | None:
    """The keys of accelerate's configuration, from its installed source; None where that is not as we know it."""
    spec = importlib.util.find_spec("accelerate")
    if spec is None or not spec.submodule_search_locations:
        return None
    source = Path(next(iter(spec.submodule_search_locations))) / _SOURCE
    if not source.is_file():
        return None
    text = source.read_text(encoding="utf-8")
    found = [class_fields(text, name) for name in ("BaseConfig", "ClusterConfig")]
    names = {field.name for fields in found for field in fields or ()}
    return frozenset(names | _OLD) if all(found) else None
