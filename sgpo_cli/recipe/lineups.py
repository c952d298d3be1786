"""The versions that were tested together. A version is meant with all its patch releases, unless it names one."""

from __future__ import annotations

from dataclasses import dataclass


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
