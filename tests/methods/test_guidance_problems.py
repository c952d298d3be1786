"""What is kept for each problem: judge-informed guidance, and scope per_problem over any schedule."""

from __future__ import annotations

from typing import Any

from sgpo_cli.methods.guidance.signal import ProblemFact
from tests.methods.guided import schedule, told


def lost(problem: str, first_error: int | None = None, reach: int | None = None) -> ProblemFact:
    return ProblemFact(problem, True, 0.0, first_error, reach)


def seen(problem: str, unguided: float | None) -> ProblemFact:
    return ProblemFact(problem, False, unguided)


def after(made: Any, *steps: tuple[ProblemFact, ...]) -> Any:
    state = made.start()
    for number, facts in enumerate(steps, start=1):
        state = made.update(state, told(number, *facts))
    return state


def test_judged_reaches_just_past_the_first_wrong_step() -> None:
    made = schedule("judged", length=2, max_length=9)
    state = after(made, (lost("a", 3), lost("b", 0)))
    assert made.length(state, "a") == 4 and made.length(state, "b") == 1
    state = made.update(state, told(2, lost("a", 6)))  # guided by 4, its best rollout now fails at index 6
    assert made.length(state, "a") == 7


def test_judged_is_capped_by_max_length_and_by_the_trace() -> None:
    made = schedule("judged", length=2, max_length=5)
    state = after(made, (lost("a", 8), lost("b", 4, 3), lost("c", 4, 0)))
    assert [made.length(state, problem) for problem in "abc"] == [5, 3, 0]


def test_judged_shrinks_by_a_step_when_the_problem_goes_without_help() -> None:
    made = schedule("judged", length=2, max_length=9, shrink_at=0.5)
    state = after(made, (lost("a", 1),), (seen("a", 0.5),))
    assert made.length(state, "a") == 1
    for number in (3, 4, 5):
        state = made.update(state, told(number, seen("a", 1.0)))
    assert made.length(state, "a") == 0


def test_judged_keeps_what_it_has_when_nothing_is_known() -> None:
    made = schedule("judged", length=2, max_length=9)
    state = after(made, (lost("a", 5),), (lost("a"),), (seen("a", 0.49),), (seen("a", None),))
    assert made.length(state, "a") == 6
    assert made.length(after(made, (seen("a", 0.2),)), "a") == 2  # seen, with nothing to say: the start's


def test_judged_gives_new_problems_the_mean_of_the_last_wishes() -> None:
    made = schedule("judged", length=2, max_length=9, window=3)
    assert made.length(made.start(), "new") == 2
    state = after(made, (lost("a", 2), lost("b", 4), lost("c")))  # wishes 3 and 5
    assert made.length(state, "new") == made.mean_length(state) == 4
    state = made.update(state, told(2, lost("d", 6), seen("e", 1.0)))  # 3 | 5, 7 and one less than e's 4
    assert made.mean_length(state) == 5
    for step in range(3, 30):  # every new problem is solved without help: the summary fades
        state = made.update(state, told(step, *(seen(f"{step}-{i}", 1.0) for i in range(3))))
    assert made.length(state, "another") == 0


def test_per_problem_adds_for_all_negative_groups_and_takes_back_for_successes() -> None:
    made = schedule("fixed", length=3, max_length=6, scope="per_problem", grow=2)
    state = after(made, (lost("a"), seen("b", 0.1)))
    assert [made.length(state, problem) for problem in ("a", "b", "new")] == [5, 3, 3]
    state = made.update(state, told(2, lost("a")))
    assert made.length(state, "a") == 6 and made.mean_length(state) == 3
    for step in range(3, 20):
        state = made.update(state, told(step, lost("a")))
    # What cannot be given does not pile up: two successes and the problem is where it began.
    state = made.update(state, told(20, seen("a", 0.25)))
    assert made.length(state, "a") == 5
    state = made.update(state, told(21, seen("a", 0.25)))
    assert made.length(state, "a") == 3 and made.to_json(state)["own"] == {}


def test_per_problem_waits_when_only_help_succeeds() -> None:
    made = schedule("fixed", length=3, max_length=6, scope="per_problem")
    state = after(made, (lost("a"),), (seen("a", 0.0),), (seen("a", None),))
    assert made.length(state, "a") == 4


def test_per_problem_grows_no_longer_than_the_trace() -> None:
    made = schedule("fixed", length=3, max_length=9, scope="per_problem")
    facts = [(lost("a", None, 4), lost("b", None, 0))] * 9
    state = after(made, *facts)
    assert made.length(state, "a") == 4 and made.length(state, "b") == 3


def test_per_problem_goes_with_a_course() -> None:
    made = schedule("linear", length=4, max_length=9, steps=10, end=1.0, scope="per_problem")
    state = after(made, *[(lost("a"),)] * 5)
    assert made.length(state, "new") == 2 and made.length(state, "a") == 7
