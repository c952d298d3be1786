"""A run directory that another recipe made: what differs, and what to type."""

from __future__ import annotations

from typing import Any

from sgpo_cli.errors import Mistake
from sgpo_cli.pipeline.plan import Plan
from sgpo_cli.runs.files import read_json


def conflict_with_run(plan: Plan) -> Mistake | None:
    """None when what the run directory holds, if anything, was made from this recipe's settings."""
    changed: list[str] = []
    for stage in plan.stages:
        # A link to another shared warm-up shows as a change of its config too: read where the link leads.
        there = plan.run.stage(stage.name)
        if stage.name != "report" and there.fingerprint() not in {None, stage.fingerprint}:
            differs = differences(read_json(there.config).get("config", {}), stage.config)
            lines = [f"{path}: {old} -> {new}" for path, old, new in differs]
            changed += lines or [f"{stage.name}: its input, or the code that makes it, changed"]
    if not changed:
        return None
    listed = "\n".join(f"    {line}" for line in dict.fromkeys(changed))
    return Mistake(
        f"run {plan.run.name!r} was made from other settings:\n{listed}",
        where=str(plan.run.path),
        fix=f"keep it and start another: name={plan.run.name}_2; or drop it and start over: --restart",
    )


def differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """The leaves in which two configurations differ, as (dotted path, old, new)."""
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[tuple[str, Any, Any]] = []
        for key in sorted(old.keys() | new.keys()):
            found += differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return found
    plain_new = list(new) if isinstance(new, tuple) else new
    return [] if old == plain_new else [(path, old, plain_new)]
