"""Judge and rescue: what each needs of the other. Guidance has a file of its own."""

from __future__ import annotations

from sgpo_cli.recipe.kinds import RescueStepwise
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.view import View, reads

_NEEDS_JUDGE = ("stepwise",)


@reads("rescue", "judge", "guidance")
def stepwise_needs_a_judge(view: View) -> None:
    recipe = view.recipe
    labelled = recipe.offline is not None and recipe.offline.responses is not None
    if recipe.rescue.kind in _NEEDS_JUDGE and recipe.judge is None and not labelled:
        what = f"rescue {recipe.rescue.kind} needs a judge to find the first wrong step, and there is none"
        fix = "add judge: {card: NAME} (sgpo list judges names them), or write rescue: {kind: none}"
        view.error(view.blame("rescue.kind", "judge"), what, fix)
    asked = recipe.rescue.kind in _NEEDS_JUDGE or recipe.guidance.kind == "judged"
    if not asked and recipe.judge is not None and not only_judge(recipe):
        what = f"the judge is measured but never used: rescue {recipe.rescue.kind} does not ask it"
        view.warn("judge", what, "write judge: null, or rescue: {kind: stepwise}")


@reads("judge.floor", "data.source")
def floor_needs_labels(view: View) -> None:
    judge, source = view.recipe.judge, view.recipe.data.source
    if judge is None or judge.floor is None or judge.floor.data is not None:
        return
    if judge.train is not None and judge.train.heldout > 0:
        return
    if source != "hops" or only_judge(view.recipe):
        what = "judge.floor is measured on labelled responses, and only task hops labels its own"
        if judge.train is not None:
            what = "judge.floor is measured on labelled responses, and judge.train.heldout sets none aside"
        view.error("judge.floor", what, "name a labelled file: judge.floor.data; or write judge.floor: null")


@reads("rescue")
def rescue_knobs_are_used(view: View) -> None:
    """A knob that another setting switches off says so, unless it stands at its default."""
    rescue = view.recipe.rescue
    if not isinstance(rescue, RescueStepwise):
        return
    usual = RescueStepwise()
    idle = {
        "beta": rescue.shape != "logistic" and rescue.beta != usual.beta,
        "gamma": rescue.shape != "logistic" and rescue.gamma != usual.gamma,
        "wrong_max": rescue.shape != "linear" and rescue.wrong_max != usual.wrong_max,
        "floor": rescue.scaling != "std_floor" and rescue.floor != usual.floor,
    }
    needs = {"beta": "shape: logistic", "gamma": "shape: logistic", "wrong_max": "shape: linear"}
    for key, is_idle in idle.items():
        if is_idle:
            wanted = needs.get(key, "scaling: std_floor")
            view.warn(f"rescue.{key}", f"rescue.{key} does nothing without {wanted}")
    if rescue.weight == 0:
        view.warn("rescue.weight", "rescue.weight 0 gives rescued groups no advantage: this is plain GRPO with a judge")
