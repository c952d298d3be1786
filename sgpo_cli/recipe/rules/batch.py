"""A step's rollouts must split evenly over updates, processes and micro-batches, in whole groups."""

from __future__ import annotations

from math import gcd

from sgpo_cli.recipe.rules.view import View, reads


@reads(
    "trainer.prompts_per_step",
    "trainer.group_size",
    "trainer.updates_per_step",
    "trainer.micro_batch",
    "launch.processes",
    "launch.nodes",
)
def rows_split_evenly(view: View) -> None:
    trainer, launch = view.recipe.trainer, view.recipe.launch
    processes = launch.processes * launch.nodes
    rows = trainer.prompts_per_step * trainer.group_size
    shares = trainer.updates_per_step * processes
    made_of = f"{trainer.prompts_per_step} prompts x {trainer.group_size} rollouts = {rows} rows a step"
    split = f"{trainer.updates_per_step} updates" + (f" x {processes} processes" if processes > 1 else "")
    if rows % shares:
        blamed = view.blame(
            "trainer.updates_per_step",
            "launch.processes",
            "launch.nodes",
            "trainer.prompts_per_step",
            "trainer.group_size",
        )
        fitting = _fitting_prompts(trainer.prompts_per_step, trainer.group_size, shares)
        fix = f"write trainer.prompts_per_step: {fitting}, or another trainer.updates_per_step"
        view.error(blamed, f"{made_of} do not split into {split}", fix)
        return
    share = rows // shares
    micro = trainer.micro_batch
    if micro is not None and share % micro:
        fits = ", ".join(str(number) for number in range(1, share + 1) if share % number == 0)
        what = f"trainer.micro_batch {micro} does not divide a device's share: {made_of} / ({split}) = {share}"
        view.error("trainer.micro_batch", what, f"sizes that do: {fits}")


def _fitting_prompts(prompts: int, group: int, shares: int) -> int:
    """The number of prompts nearest to `prompts` whose rows split into `shares`."""
    unit = shares // gcd(shares, group)
    return max(unit, round(prompts / unit) * unit)
