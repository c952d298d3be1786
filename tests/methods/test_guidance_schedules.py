"""The schedules that follow a course, what every schedule owes a checkpoint, and the registry."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgpo_cli.errors import RecipeError
from sgpo_cli.methods.guidance import GUIDANCES, load_guidance
from sgpo_cli.methods.guidance.signal import ProblemFact, Signal
from sgpo_cli.recipe.kinds import Guidance, GuidanceNone
from sgpo_cli.recipe.load import from_dict
from tests.methods.guided import lengths, rate, schedule


def at(made: Any, *steps: int) -> list[float]:
    """The length in these steps (1-based)."""
    state, found = made.start(), {1: made.length(made.start(), "p")}
    for step in range(1, max(steps)):
        state = made.update(state, rate(0.5, step))
        found[step + 1] = made.length(state, "p")
    return [found[step] for step in steps]


@pytest.mark.parametrize(
    ("kind", "extra", "expected"),
    [  # 100 steps; lengths in steps 1, 21, 41, 81, 100; l0 = 8
        ("fixed", {}, [8, 8, 8, 8, 8]),
        ("linear", {}, [8, 6, 4, 0, 0]),  # 0 from 80% on: t = 0, 1/4, 1/2, 1
        ("linear", {"end": 1.0}, [8, 6.4, 4.8, 1.6, 0.08]),
        ("power", {}, [8, 4.5, 2, 0, 0]),  # squares of 1, 3/4, 1/2
        ("power", {"exponent": 0.5}, [8, 48**0.5, 32**0.5, 0, 0]),
        ("power", {"exponent": 1.0}, [8, 6, 4, 0, 0]),
        ("cosine", {}, [8, 4 + 8**0.5, 4, 0, 0]),  # cos 45 degrees = 2^-.5
        ("stepwise", {}, [8, 4, 2, 0.5, 0.5]),  # halved every 20 steps
        ("stepwise", {"factor": 0.0, "every": 30}, [8, 8, 0, 0, 0]),
    ],
)
def test_courses(kind: str, extra: dict[str, Any], expected: list[float]) -> None:
    assert at(schedule(kind, length=8, **extra), 1, 21, 41, 81, 100) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 2.0, 3.0])
def test_above_1_is_convex_and_below_concave(exponent: float) -> None:
    linear, power = at(schedule("linear"), *range(2, 80)), at(schedule("power", exponent=exponent), *range(2, 80))
    below = [p < line for p, line in zip(power, linear, strict=True)]
    assert all(below) if exponent > 1 else not any(below)


@given(st.sampled_from(["linear", "power", "cosine", "stepwise"]), st.integers(1, 300), st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_courses_never_rise(kind: str, steps: int, length: int) -> None:
    found = at(schedule(kind, length=length, steps=steps), *range(1, steps + 1))
    assert found[0] == length and all(length >= a >= b >= 0 for a, b in pairwise(found))


def test_no_guidance_is_no_length() -> None:
    made = load_guidance(GuidanceNone(), seed=0, steps=5)
    assert lengths(made, [rate(0.0, step) for step in range(1, 6)]) == [0.0] * 5


def test_random_is_a_function_of_seed_step_and_problem() -> None:
    made = schedule("random", seed=3, low=2)
    later = made.update(made.start(), rate(0.5, 7))
    draws = [made.length(later, f"p{i}") for i in range(400)]
    assert set(draws) == {2.0, 3.0, 4.0, 5.0, 6.0}
    assert all(50 < draws.count(value) < 110 for value in set(draws))  # 80 each, sd 8
    again = schedule("random", seed=3, low=2)
    assert [again.length(again.from_json({"done": 7}), f"p{i}") for i in range(400)] == draws
    others = (schedule("random", seed=4, low=2), later), (made, made.start())
    assert all([m.length(s, f"p{i}") for i in range(400)] != draws for m, s in others)
    assert made.length(later, "p0") == 2.0  # pinned: another machine draws the same
    assert made.mean_length(later) == 4.0


ALL: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in GUIDANCES if kind != "none"),
    *((kind, {"scope": "per_problem"}) for kind in GUIDANCES if kind not in ("none", "judged")),
    ("adaptive", {"preset": "released_code", "ema": 0.3, "signal": "unguided"}),
]

facts = st.builds(
    ProblemFact,
    problem=st.sampled_from("abc"),
    all_negative=st.booleans(),
    unguided=st.none() | st.floats(0, 1),
    first_error=st.none() | st.integers(0, 12),
    trace_steps=st.none() | st.integers(0, 12),
)
means = st.none() | st.floats(0, 1)
signals = st.lists(st.builds(Signal, st.just(1), means, means, means, st.lists(facts).map(tuple)), max_size=12)


@pytest.mark.parametrize(("kind", "extra"), ALL)
@given(seen=signals, cut=st.integers(0, 12))
@settings(max_examples=25, deadline=None)
def test_a_checkpoint_changes_nothing(kind: str, extra: dict[str, Any], seen: list[Signal], cut: int) -> None:
    """N steps, through JSON, M steps: the same states and lengths as N+M steps; and update changes no old state."""
    made = schedule(kind, max_length=9, **extra)
    straight = resumed = made.start()
    for done, signal in enumerate(seen):
        if done == cut:
            resumed = made.from_json(json.loads(json.dumps(made.to_json(resumed), allow_nan=False)))
        signal = Signal(done + 1, signal.accuracy, signal.unguided, signal.guided, signal.problems)
        before = json.dumps(made.to_json(straight))
        after = made.update(straight, signal)
        assert json.dumps(made.to_json(straight)) == before
        straight, resumed = after, made.update(resumed, signal)
        assert straight == resumed
        for problem in ("a", "b", "never seen"):
            assert made.length(straight, problem) == made.length(resumed, problem)
            assert 0.0 <= made.length(straight, problem) <= 9.0
        assert 0.0 <= made.mean_length(straight) <= 9.0


def test_states_are_frozen() -> None:
    for kind, extra in ALL:
        state = schedule(kind, **extra).start()
        name = next(iter(state.__dataclass_fields__))
        with pytest.raises(AttributeError):
            setattr(state, name, 1)


@pytest.mark.parametrize("bad", [{}, {"length": "long"}, {"length": None, "before": [], "smooth": None}])
def test_a_state_of_something_else_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        schedule("adaptive").from_json(bad)


def test_judged_takes_no_scope_and_no_tokens() -> None:
    for wrong in ({"scope": "global"}, {"unit": "tokens"}):
        with pytest.raises(RecipeError, match=r"scope|unit"):
            from_dict(Guidance, {"kind": "judged", "length": 1, "loss_on_prefix": True, **wrong})
