"""Python, and the versions of what trains: a line-up that was tested, or one that was not."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.recipe.lineups import LINEUPS, Lineup, covers, installed_version
from sgpo_cli.recipe.rules.generation import VLLM_FIX, missing_engine
from sgpo_cli.recipe.rules.launch import deepspeed_fix, missing_deepspeed
from sgpo_cli.recipe.rules.model import missing_for_adapters
from sgpo_cli.recipe.schema import Recipe

NAMES = ("trl", "torch", "transformers", "vllm")
_OLDEST = (3, 11)
_PINNED = "trl"
"""Its private methods are used, so another version is an error."""


def python() -> Finding:
    version = sys.version.split()[0]
    if sys.version_info < _OLDEST:
        return Finding("Python", "error", f"{version} is too old", "install Python 3.11 or newer")
    return Finding("Python", "ok", version)


def installed() -> dict[str, str]:
    """Name -> version of the packages of a line-up that are installed."""
    found = {name: installed_version(name) for name in NAMES}
    return {name: version for name, version in found.items() if version is not None}


def lineup(there: Mapping[str, str]) -> list[Finding]:
    """How the installed versions compare with the tested line-ups: with the one they are nearest to."""
    missing = [name for name in NAMES if name not in there and name != "vllm"]
    if missing:
        what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        return [Finding("line-up", "error", what, "pip install sgpo-cli")]
    fitting = [tested for tested in LINEUPS if tested.vllm is not None or "vllm" not in there]
    nearest = min(fitting, key=lambda tested: len(_others(tested, there)))
    others = _others(nearest, there)
    told = ", ".join(f"{name} {there[name]}" for name in NAMES if name in there)
    if not others:
        return [Finding("line-up", "ok", f"{told}: tested together")]
    wanted = " ".join(f"'{name}=={_pin(getattr(nearest, name))}'" for name in others)
    tested = ", ".join(f"{name} {getattr(nearest, name)}" for name in others)
    level = "error" if _PINNED in others else "warning"
    return [Finding("line-up", level, f"{told}: tested with {tested}", f"pip install {wanted}")]  # type: ignore[arg-type]


def _others(tested: Lineup, there: Mapping[str, str]) -> list[str]:
    """The packages whose version is another than the tested one."""
    return [name for name in NAMES if name in there and not covers(getattr(tested, name), there[name])]


def _pin(version: str) -> str:
    return version if version.count(".") > 1 else f"{version}.*"


def wanted_by(recipe: Recipe) -> list[Finding]:
    """Optional packages that the recipe needs and that are not installed, in the words of the recipe's own rules."""
    found = list(missing_for_adapters(recipe.model.lora)) if recipe.model.lora is not None else []
    if recipe.offline is None and (engine := missing_engine(recipe.generation)) is not None:
        found.append(("vllm", engine, VLLM_FIX))
    if (sharding := missing_deepspeed(recipe.launch.strategy)) is not None:
        found.append(("deepspeed", sharding, deepspeed_fix(recipe)))
    return [Finding(subject, "error", what, fix) for subject, what, fix in found]
