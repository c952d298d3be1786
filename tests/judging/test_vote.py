"""The vote: tables of what comes of which verdicts, members that fail, usage, and streams."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.arithmetic.judge import ArithmeticJudge
from sgpo_cli.judging.usage import Metered, Remote, Usage
from sgpo_cli.judging.verdict import Judge, Solution, Verdict
from sgpo_cli.judging.vote import from_options
from tests.judging.language import judge_at, right, solution, truth
from tests.servers.behaviours import error
from tests.servers.chat_server import ChatServer

STEPS = 5
ONE = Solution("p", ("s",) * STEPS)
A, U = "abstains", "unchecked"


@dataclass
class Says:
    """A judge that always says the same: a step, -1, or that it abstains or checked nothing."""

    what: int | str
    name: str = "says"
    asked: list[int] = field(default_factory=list)

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        self.asked.append(len(solutions))
        return [self._one(len(given.steps)) for given in solutions]

    def _one(self, steps: int) -> Verdict:
        if self.what == A:
            return Verdict.abstain("no idea", num_steps=steps, judge=self.name)
        if self.what == U:
            return Verdict.found(-1, num_steps=steps, checked=0, judge=self.name)
        assert isinstance(self.what, int)
        reason = f"step {self.what} is odd" if self.what >= 0 else None
        return Verdict.found(self.what if steps else -1, num_steps=steps, judge=self.name, reason=reason)


def vote_of(members: Sequence[Judge], rule: str = "majority", quorum: float = 0.5):  # type: ignore[no-untyped-def]
    names = [f"j{i}" for i in range(len(members))]
    return from_options({"judges": names, "members": list(members), "rule": rule, "quorum": quorum})


@pytest.mark.parametrize(
    ("said", "majority", "earliest"),
    [
        ((2, 2), 2, 2),
        ((2, 3), None, 2),
        ((2, -1), None, 2),
        ((-1, -1), -1, -1),
        ((2, 2, 3), 2, 2),
        ((3, 2, 3), 3, 2),
        ((1, 2, 3), None, 1),
        ((0, -1, -1), -1, 0),
        ((2, 2, 3, 4), 2, 2),
        ((2, 2, 3, 3), None, 2),
        ((2, A), 2, 2),
        ((U, 2), 2, 2),
        ((U, -1), -1, -1),
        ((A, A), None, None),
        ((U, U), None, None),
        ((2, A, A), None, None),
        ((2, A, U), None, None),
        ((2, 3, A), None, 2),
        ((2, 2, A, A), 2, 2),
        ((-1, A, -1), -1, -1),
    ],
)
def test_what_comes_of_which_verdicts(said: tuple[int | str, ...], majority: int | None, earliest: int | None) -> None:
    for rule, expected in (("majority", majority), ("earliest", earliest)):
        (verdict,) = vote_of([Says(what) for what in said], rule).judge([ONE])
        assert verdict.first_error == expected, rule
        assert verdict.judge == "vote" and verdict.num_steps == STEPS
        assert verdict.abstained == (expected is None) and (verdict.checked == STEPS) == (expected is not None)


@pytest.mark.parametrize(("quorum", "expected"), [(0.0, 2), (1 / 3, 2), (0.34, None), (1.0, None)])
def test_the_quorum_counts_those_that_say_something(quorum: float, expected: int | None) -> None:
    (verdict,) = vote_of([Says(2), Says(A), Says(U)], quorum=quorum).judge([ONE])
    assert verdict.first_error == expected
    (silent,) = vote_of([Says(A), Says(U)], quorum=0.0).judge([ONE])
    assert silent.abstained, "somebody must say something"


def test_the_reason_says_who_said_what() -> None:
    (found,) = vote_of([Says(3), Says(A), Says(3), Says(U), Says(-1)]).judge([ONE])
    assert found.reason == "j0 3, j1 abstained, j2 3, j3 checked nothing, j4 -1: step 3 is odd"
    (none,) = vote_of([Says(-1), Says(-1)]).judge([ONE])
    assert none.reason is None
    (tie,) = vote_of([Says(1), Says(2)]).judge([ONE])
    assert tie.reason == "vote: a tie: j0 1; j1 2"
    (few,) = vote_of([Says(1), Says(A), Says(A)]).judge([ONE])
    assert few.reason == "vote: 1 of 3 judges said something: j0 1; j1 abstained (no idea); j2 abstained (no idea)"
    (long,) = vote_of([Says(1), *[Says(A)] * 30]).judge([ONE])
    assert long.reason is not None and len(long.reason) == 300


def test_a_response_without_steps_is_no_abstention() -> None:
    (verdict,) = vote_of([Says(-1), Says(2)]).judge([Solution("p", ())])
    assert (verdict.first_error, verdict.num_steps, verdict.prefix_score) == (-1, 0, 0.0)


def test_a_member_that_counts_missing_steps_is_heard() -> None:
    class Oracle(Says):
        def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
            return [Verdict.found(1, num_steps=9, checked=STEPS, judge="oracle") for _ in solutions]

    (verdict,) = vote_of([Oracle(1), Says(1)]).judge([ONE])
    assert (verdict.first_error, verdict.num_steps, verdict.prefix_score) == (1, 9, pytest.approx(1 / 9))


def test_a_member_that_raises_abstains_on_what_it_raised_on() -> None:
    class Fragile(Says):
        def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
            if any(given.problem == "bad" for given in solutions):
                raise ZeroDivisionError("oops")
            return super().judge(solutions)

    vote = vote_of([Fragile(2), Says(2), Says(3)])
    given = [ONE, Solution("bad", ONE.steps), ONE]
    for read in (vote.judge(given), list(vote.stream(given))):
        assert [v.first_error for v in read] == [2, None, 2]
        assert "j0 abstained (judge failed: ZeroDivisionError: oops)" in str(read[1].reason)

    class Broken(Says):
        def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
            raise RunFailed("disk full")

    with pytest.raises(RunFailed, match="disk full"):
        vote_of([Broken(1), Says(1)]).judge([ONE])


def test_members_are_asked_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)

    class Meets(Says):
        def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
            both.wait()  # raises when the other is not asked meanwhile
            return super().judge(solutions)

    (verdict,) = vote_of([Meets(2), Meets(2)]).judge([ONE])
    assert verdict.first_error == 2


def test_a_stream_reads_ahead_no_further_than_its_members() -> None:
    class Streams(Says):
        def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
            for given in solutions:
                yield from self.judge([given])

    read_so_far = 0

    def rows() -> Iterator[Solution]:
        nonlocal read_so_far
        for _ in range(300):
            read_so_far += 1
            yield ONE

    plain, own = Says(4), Streams(2)
    for count, verdict in enumerate(vote_of([plain, own], "earliest").stream(rows()), 1):
        assert verdict.first_error == 2 and read_so_far <= count + 64
    assert count == 300 and plain.asked == [64, 64, 64, 64, 44] and own.asked == [1] * 300


def test_models_and_rules_together_with_one_usage() -> None:
    given = [solution(number) for number in range(40)]
    with ChatServer(right) as server, ChatServer(error(500)) as dead:
        members: list[Judge] = [
            judge_at(server, price={"input": 1.0, "output": 1.0}),
            ArithmeticJudge(),  # its steps state no equation: it says nothing
            judge_at(dead, breaker={"share": 1.0, "window": 1000}, price={"input": 1.0, "output": 1.0}),
        ]
        vote = vote_of(members, quorum=0.3)
        try:
            assert isinstance(vote, Metered) and isinstance(vote, Remote) and vote.probe() == []
            for ask in (vote.judge, vote.stream):
                assert [v.first_error for v in ask(given)] == [truth(s) for s in given]
                usage = vote.take_usage()
                assert (usage.calls, usage.failed) == (80, 40) and usage.cost is not None and usage.cost > 0
        finally:
            vote.close()
        assert len(server.log) == len(dead.log) == 80
        with pytest.raises(RuntimeError):
            members[0].judge(given)  # closed with the vote


def test_cost_is_none_when_a_member_has_no_price() -> None:
    class Priced(Says):
        def take_usage(self) -> Usage:
            return Usage(calls=3, cost=0.5)

    class Free(Says):
        def take_usage(self) -> Usage:
            return Usage(calls=4, output_tokens=2)

    taken = vote_of([Priced(1), Free(1), Says(1)]).take_usage()
    assert (taken.calls, taken.output_tokens, taken.cost) == (7, 2, None)
    assert vote_of([Priced(1), Priced(1)]).take_usage().cost == 1.0
    assert not isinstance(vote_of([Says(1), Says(1)]), Metered | Remote)


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": []},
        {"judges": ["a"], "members": [Says(1)]},
        {"judges": ["a", "b"], "members": [Says(1)]},
        {"members": None},
        {"rule": "loudest"},
        {"quorum": 1.5},
        {"quorum": "half"},
        {"quorum": True},
        {"weights": [1, 2]},
    ],
)
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        from_options({"judges": ["a", "b"], "members": [Says(1), Says(1)]} | wrong)


def test_members_of_one_name_are_told_apart() -> None:
    members = [Says(1), Says(2), Says(1)]
    vote = from_options({"judges": ["here/mine.yaml", "there/mine.yml", "other"], "members": members})
    assert str(vote.judge([ONE])[0].reason).startswith("mine #1 1, mine #2 2, other 1")
