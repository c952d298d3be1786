"""Python, and the versions of what trains: a line-up that was tested, or one that was not."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.recipe.lineups import LINEUPS, Lineup, covers, installed_version
from sgpo_cli.recipe.rules.generation import VLLM_FIX
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


def wanted_by(recipe: Recipe, there: Mapping[str, str]) -> list[Finding]:
    """Optional packages that the recipe needs and that are not installed."""
    lora, launch = recipe.model.lora, recipe.launch
    needs = [
        ("vllm", recipe.generation.engine != "transformers" and recipe.offline is None, "generation.engine", VLLM_FIX),
        ("peft", lora is not None, "model.lora", "pip install 'sgpo-cli[lora]'"),
        (
            "bitsandbytes",
            lora is not None and lora.quantize is not None,
            "model.lora.quantize",
            "pip install 'sgpo-cli[qlora]'",
        ),
        ("deepspeed", launch.strategy.startswith("zero"), f"launch.strategy {launch.strategy}", None),
    ]
    return [
        Finding(name, "error", f"not installed, and {key} needs it", fix or f"pip install {name}")
        for name, needed, key, fix in needs
        if needed and not _is_installed(name)
    ]


def _is_installed(name: str) -> bool:
    return installed_version(name) is not None
