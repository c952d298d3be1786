"""Guidance: what it needs of data, judge and budget, and settings that cancel one another."""

from __future__ import annotations

from sgpo_cli.recipe.guidance import (
    GuidanceAdaptive,
    GuidanceJudged,
    GuidanceRandom,
    GuidanceSteady,
    GuidanceStepwise,
    Guided,
    Scheduled,
)
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.shares import guided_count


@reads("guidance", "data.source", "data.columns.solution")
def guidance_needs_solutions(view: View) -> None:
    recipe = view.recipe
    if isinstance(recipe.guidance, Guided) and recipe.data.source != "hops" and recipe.data.columns.solution is None:
        fix = "name the column: data.columns.solution; or write guidance: {kind: none}"
        view.error("guidance.kind", "guidance needs data.columns.solution, and it is null", fix)


@reads("guidance", "data.source", "data.hops")
def hops_gives_steps(view: View) -> None:
    """The last hop and the line after it tell the answer; guidance gives what stands before them."""
    recipe = view.recipe
    if isinstance(recipe.guidance, Guided) and recipe.data.source == "hops" and recipe.data.hops.hops < 2:
        what = f"data.hops.hops {recipe.data.hops.hops}: a solution is all answer, and guidance never gives that"
        view.error(view.blame("data.hops.hops", "guidance.kind"), what, "raise data.hops.hops")


@reads("guidance", "trainer.group_size")
def some_rollouts_are_guided(view: View) -> None:
    guidance, size = view.recipe.guidance, view.recipe.trainer.group_size
    if not isinstance(guidance, Guided):
        return
    count = guided_count(guidance.fraction, size)
    blamed = view.blame("guidance.fraction", "trainer.group_size")
    told = f"guidance.fraction {guidance.fraction:g} of {size} rollouts"
    if count == 0:
        fix = f"write guidance.fraction: {_upwards(1 / size)} for one of them, or guidance: {{kind: none}}"
        view.error(blamed, f"{told} rounds to no rollout", fix)
    elif count == size and isinstance(guidance, GuidanceAdaptive) and guidance.signal == "unguided":
        what = f"{told} is the whole group: guidance.signal unguided has nothing to go by"
        view.error(blamed, what, "lower guidance.fraction, or write guidance.signal: all")
    elif count == size:
        what = f"{told} is the whole group: guiding all of it removes the contrast between guided and unguided"
        view.warn(blamed, what, "lower guidance.fraction; 0.25 is usual")


def _upwards(share: float) -> str:
    """A share of few digits that is not below `share`."""
    text = f"{share:.2f}"
    return text if float(text) >= share else f"{share + 0.005:.2f}"


@reads("guidance")
def lengths_are_in_order(view: View) -> None:
    guidance = view.recipe.guidance
    if not isinstance(guidance, Guided):
        return
    length, longest = guidance.length, guidance.max_length
    if longest is not None and length > longest:
        what = f"guidance.length {length} is above guidance.max_length {longest}"
        view.error(view.blame("guidance.length", "guidance.max_length"), what, "raise guidance.max_length")
    if isinstance(guidance, GuidanceRandom) and guidance.low > length:
        what = f"guidance.low {guidance.low} is above guidance.length {length}"
        view.error(view.blame("guidance.low", "guidance.length"), what, "lower guidance.low")
    if isinstance(guidance, GuidanceAdaptive) and not _adaptive_in_order(view, guidance):
        return
    if _stays_zero(guidance):
        what = "guidance.length 0 guides nothing: this is plain GRPO"
        view.warn("guidance.length", what, "raise guidance.length, or write guidance: {kind: none}")


def _adaptive_in_order(view: View, guidance: GuidanceAdaptive) -> bool:
    """Whether the length starts within min_length and the cap; notes the mistake when not."""
    lowest = guidance.lowest
    if lowest <= guidance.length:
        return True
    named = "guidance.min_length" if guidance.min_length is not None else f"the least of preset {guidance.preset},"
    blamed = view.blame("guidance.length", "guidance.min_length", "guidance.preset")
    what = f"guidance.length {guidance.length} is below {named} {lowest:g}"
    view.error(blamed, what, "raise guidance.length, or lower guidance.min_length")
    return False


def _stays_zero(guidance: Guided) -> bool:
    """Whether length 0 is for good: a product of 0 is 0, while steady, judged and a problem's own units add."""
    adds = isinstance(guidance, GuidanceSteady | GuidanceJudged)
    own = isinstance(guidance, Scheduled) and guidance.scope == "per_problem"
    frees = isinstance(guidance, GuidanceAdaptive) and bool(guidance.min_step)
    return guidance.length == 0 and not ((adds or own or frees) and guidance.cap > 0)


@reads("guidance")
def guidance_can_lengthen(view: View) -> None:
    """A rule that lengthens the guidance needs room above the start."""
    guidance = view.recipe.guidance
    adds = isinstance(guidance, GuidanceSteady | GuidanceJudged | GuidanceAdaptive)
    own = isinstance(guidance, Scheduled) and guidance.scope == "per_problem"
    if not isinstance(guidance, Guided) or not (adds or own) or guidance.max_length is not None:
        return
    if isinstance(guidance, GuidanceAdaptive) and guidance.preset == "released_code" and not own:
        return  # its own setting: the start is the longest
    rule = f"guidance {guidance.kind}" if adds else "scope per_problem"
    what = f"{rule} can only shorten: guidance.max_length is null, which is guidance.length {guidance.length}"
    view.warn(view.blame("guidance.max_length", "guidance.length"), what, "write guidance.max_length")


@reads("guidance", "trainer.max_completion_length")
def guidance_leaves_room(view: View) -> None:
    """A unit is at least one token, and at least one token is sampled."""
    guidance, budget = view.recipe.guidance, view.recipe.trainer.max_completion_length
    if not isinstance(guidance, Guided) or guidance.budget != "shared":
        return
    counted = f"{guidance.unit}" + (", each a token or more," if guidance.unit == "steps" else "")
    fix = "raise trainer.max_completion_length, or write guidance.budget: extra"
    if guidance.length > budget - 1:
        blamed = view.blame("guidance.length", "trainer.max_completion_length")
        what = f"guidance.length {guidance.length} {counted} leaves no room in trainer.max_completion_length {budget}"
        view.error(blamed, what, fix)
    elif guidance.cap > budget - 1:
        blamed = view.blame("guidance.max_length", "trainer.max_completion_length")
        what = f"guidance.max_length {guidance.cap} {counted} is never reached: it is cut to {budget - 1} to leave room"
        view.warn(blamed, f"{what} in trainer.max_completion_length {budget}", fix)


@reads("guidance", "judge")
def judged_needs_a_judge(view: View) -> None:
    if view.recipe.guidance.kind == "judged" and view.recipe.judge is None:
        what = "guidance judged needs a judge to find where rollouts go wrong, and there is none"
        fix = "add judge: {card: NAME} (sgpo list judges names them), or take another guidance.kind"
        view.error(view.blame("guidance.kind", "judge"), what, fix)


@reads("guidance", "data", "trainer.steps", "trainer.prompts_per_step")
def problems_come_back(view: View) -> None:
    """What is kept for a problem is of use when it comes again."""
    guidance, recipe = view.recipe.guidance, view.recipe
    if not isinstance(guidance, Scheduled) or guidance.scope != "per_problem":
        if isinstance(guidance, Scheduled) and guidance.grow != 1:
            view.warn("guidance.grow", "guidance.grow does nothing without scope: per_problem")
        return
    fix = "write guidance.scope: global"
    if recipe.data.source == "hops":
        what = "guidance.scope per_problem never profits: task hops draws fresh problems at every step"
        view.warn("guidance.scope", what, fix)
        return
    if recipe.data.limit is None:
        return  # how many rows there are is known when they are read
    rows = recipe.data.limit - recipe.data.heldout
    seen = recipe.trainer.steps * recipe.trainer.prompts_per_step
    if rows > 0 and seen < 2 * rows:
        what = (
            f"guidance.scope per_problem hardly profits: {recipe.trainer.steps} steps of "
            f"{recipe.trainer.prompts_per_step} problems show each of up to {rows} less than twice"
        )
        view.warn("guidance.scope", what, f"{fix}, or raise trainer.steps")


@reads("guidance", "trainer.steps")
def schedule_moves(view: View) -> None:
    guidance, steps = view.recipe.guidance, view.recipe.trainer.steps
    if isinstance(guidance, GuidanceStepwise) and guidance.every >= steps:
        what = f"guidance.every {guidance.every} is not reached in {steps} steps: the length never changes"
        view.warn("guidance.every", what, "lower guidance.every")
    if isinstance(guidance, GuidanceAdaptive) and guidance.ratio_clip == 1:
        what = "guidance.ratio_clip 1 holds every change to a factor of 1: the length never changes"
        view.warn("guidance.ratio_clip", what, "raise guidance.ratio_clip, or write kind: fixed")
    if isinstance(guidance, GuidanceSteady):
        for deaf, what in (
            (guidance.band >= guidance.target, "it would not react when every guided answer is wrong"),
            (guidance.band >= 1 - guidance.target, "it would not react when every guided answer is right"),
        ):
            if deaf:
                blamed = view.blame("guidance.band", "guidance.target")
                told = f"guidance.band {guidance.band:g} around guidance.target {guidance.target:g}: {what}"
                view.error(blamed, told, "lower guidance.band")
                return
