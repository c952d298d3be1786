"""Offline recipes: what fixed responses rule out, and who labels them."""

from __future__ import annotations

from sgpo_cli.recipe.rules.view import View, reads


@reads("offline", "guidance", "judge", "generation", "launch")
def fixed_responses_rule_things_out(view: View) -> None:
    recipe = view.recipe
    if recipe.offline is None:
        return
    if recipe.guidance.kind != "none":
        what = f"guidance {recipe.guidance.kind} starts rollouts, and an offline recipe makes none as it learns"
        view.error(view.blame("guidance.kind", "offline"), what, "write guidance: {kind: none}")
    if recipe.judge is not None and recipe.judge.train is not None and recipe.judge.train.refresh_every is not None:
        what = "judge.train.refresh_every follows the policy, and an offline recipe's responses are labelled once"
        view.error("judge.train.refresh_every", what, "write judge.train.refresh_every: null")
    if recipe.generation.engine != "transformers":
        what = f"generation.engine {recipe.generation.engine} does nothing here: offline rollouts use transformers"
        view.warn("generation.engine", what)


@reads("offline", "trainer")
def responses_are_used(view: View) -> None:
    offline, trainer = view.recipe.offline, view.recipe.trainer
    if offline is not None and offline.problems < trainer.prompts_per_step:
        what = f"offline.problems {offline.problems} is less than one step takes (trainer.prompts_per_step)"
        view.error(view.blame("offline.problems", "trainer.prompts_per_step"), what)


@reads("offline", "rescue")
def nothing_is_known_of_mixed_groups(view: View) -> None:
    """Only all-negative groups are labelled, so there is nothing to measure the judge on while the policy learns."""
    trust = getattr(view.recipe.rescue, "trust", None)
    if view.recipe.offline is not None and trust is not None:
        what = "rescue.trust does nothing offline: mixed groups have no verdicts, and rescued ones keep full weight"
        at = "rescue.trust" if "rescue.trust" in view.places else "offline"
        view.warn(at, what, "write rescue.trust: null, and measure the judge before (judge.floor)")
