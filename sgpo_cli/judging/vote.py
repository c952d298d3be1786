"""The `vote` judge: asks several judges and puts their verdicts together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, tee
from pathlib import Path
from typing import Literal

from sgpo_cli.errors import SgpoError, UserError
from sgpo_cli.judging.usage import Metered, Remote, Usage
from sgpo_cli.judging.verdict import Judge, Solution, Verdict

NAME = "vote"
_BATCH = 64  # solutions that a judge without `stream` is given at once
_LONGEST_REASON = 300

Rule = Literal["majority", "earliest"]


class Vote:
    """Opened judges by name. A member that abstains, or that found nothing to check, says nothing.

    `majority`: the step that more members name than any other; a tie is an abstention. `earliest`: the first step that
    any of them names; -1 when all that say something found none. Fewer of them than `quorum`: an abstention.
    """

    name = NAME

    def __init__(self, members: Mapping[str, Judge], rule: Rule, quorum: float) -> None:
        self._members = dict(members)
        self._rule = rule
        self._quorum = quorum

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict for each solution, in order; the members are asked at the same time."""
        with ThreadPoolExecutor(len(self._members), thread_name_prefix="vote") as threads:
            asked = [threads.submit(_ask, member, solutions) for member in self._members.values()]
            said = [future.result() for future in asked]
        return [self.decide(verdicts) for verdicts in zip(*said, strict=True)]

    def stream(self, solutions: Iterable[Solution]) -> Iterator[Verdict]:
        """One verdict for each solution, in order; reads ahead no further than its members do."""
        copies = tee(solutions, len(self._members))
        streams = [_stream(member, copy) for member, copy in zip(self._members.values(), copies, strict=True)]
        # Members behind a server come first: their questions are on the way while the others work.
        first = sorted(range(len(streams)), key=lambda i: not hasattr(list(self._members.values())[i], "stream"))
        try:
            for verdicts in zip(*(streams[i] for i in first), strict=True):
                said = dict(zip(first, verdicts, strict=True))
                yield self.decide([said[i] for i in range(len(streams))])
        finally:
            for stream in streams:
                stream.close()  # type: ignore[attr-defined]  # they are generators

    def decide(self, verdicts: Sequence[Verdict]) -> Verdict:
        """What comes of the members' verdicts on one solution, in the order of the members."""
        said = [v for v in verdicts if not v.abstained and (v.checked > 0 or v.num_steps == 0)]
        steps = max((v.num_steps for v in said), default=max(v.num_steps for v in verdicts))
        if not said or len(said) < self._quorum * len(verdicts):
            return self._abstain(f"vote: {len(said)} of {len(verdicts)} judges said something", verdicts, steps)
        first_error = self._choose([v.first_error for v in said if v.first_error is not None])
        if first_error is None:
            return self._abstain("vote: a tie", verdicts, steps)
        agreed = [v for v in said if v.first_error == first_error]
        return Verdict.found(
            first_error,
            num_steps=steps,
            checked=max(v.checked for v in (agreed if first_error >= 0 else said)),
            judge=self.name,
            reason=self._reason(verdicts, agreed) if first_error >= 0 else None,
        )

    def _choose(self, named: list[int]) -> int | None:
        if self._rule == "earliest":
            return min((step for step in named if step >= 0), default=-1)
        (step, most), *others = Counter(named).most_common(2)
        return None if others and others[0][1] == most else step

    def _reason(self, verdicts: Sequence[Verdict], agreed: Sequence[Verdict]) -> str:
        """Who said what, and what those that won say is wrong with the step."""
        why = next((v.reason for v in agreed if v.reason), None)
        who = ", ".join(f"{name} {_says(v)}" for name, v in zip(self._members, verdicts, strict=True))
        return _shorten(f"{who}: {why}" if why else who)

    def _abstain(self, what: str, verdicts: Sequence[Verdict], steps: int) -> Verdict:
        who = "; ".join(f"{name} {_says(v, why=True)}" for name, v in zip(self._members, verdicts, strict=True))
        return Verdict.abstain(_shorten(f"{what}: {who}"), num_steps=steps, judge=self.name)

    def close(self) -> None:
        """Closes the members."""
        for member in self._members.values():
            close = getattr(member, "close", None)
            if close is not None:
                close()


class MeteredVote(Vote):
    """A vote with a member whose calls leave the process."""

    def take_usage(self) -> Usage:
        """The metered members' counts together; no cost when one of them has no price."""
        taken = [member.take_usage() for member in self._members.values() if isinstance(member, Metered)]
        whole = Usage()
        for usage in taken:
            whole.add(usage)
        if any(usage.cost is None for usage in taken):
            whole.cost = None
        return whole

    def probe(self) -> list[str]:
        """What is wrong with the members' servers, a line each."""
        remote = {name: member for name, member in self._members.items() if isinstance(member, Remote)}
        return [f"{name}: {line}" for name, member in remote.items() for line in member.probe()]


def from_options(options: Mapping[str, object]) -> Vote:
    """The vote of a card's options and its `members`, the opened judges in the order of `judges`; it closes them."""
    names, members = options.get("judges"), options.get("members")
    rule, quorum = options.get("rule", "majority"), options.get("quorum", 0.5)
    if unknown := sorted(options.keys() - {"judges", "members", "rule", "quorum"}):
        raise UserError(f"the vote has no option {unknown[0]!r}", fix="options: judges, members, rule, quorum")
    if not isinstance(names, list | tuple) or not isinstance(members, list | tuple) or len(names) != len(members):
        raise UserError(
            "a vote needs the names of its judges, and as many opened judges", fix="judges: [arithmetic, ...]"
        )
    if len(members) < 2:
        raise UserError("a vote needs two judges or more", fix="judges: [arithmetic, reference]")
    if rule not in ("majority", "earliest"):
        raise UserError(f"rule of a vote must be majority or earliest, not {rule!r}")
    if isinstance(quorum, bool) or not isinstance(quorum, int | float) or not 0 <= quorum <= 1:
        raise UserError(f"quorum of a vote must be a number from 0 to 1, not {quorum!r}")
    kind = MeteredVote if any(isinstance(member, Metered | Remote) for member in members) else Vote
    return kind(_labelled([str(name) for name in names], members), rule, float(quorum))


def _labelled(names: Sequence[str], members: Sequence[Judge]) -> dict[str, Judge]:
    """The members by the stem of their card's name; two of one stem are told apart by number."""
    stems = [Path(name).stem if "/" in name or name.endswith((".yaml", ".yml")) else name for name in names]
    labels = [f"{stem} #{i + 1}" if stems.count(stem) > 1 else stem for i, stem in enumerate(stems)]
    return dict(zip(labels, members, strict=True))


def _ask(member: Judge, solutions: Sequence[Solution]) -> list[Verdict]:
    """A member's verdicts; one that raises is asked one by one and abstains on what it raised on."""
    try:
        return list(member.judge(solutions))
    except SgpoError:
        raise
    except Exception as problem:  # noqa: BLE001 - a member's failure is data: its abstention
        if len(solutions) == 1:
            why = f"judge failed: {type(problem).__name__}: {problem}"
            return [Verdict.abstain(why, num_steps=len(solutions[0].steps), judge=member.name)]
        return [_ask(member, [solution])[0] for solution in solutions]


def _stream(member: Judge, solutions: Iterator[Solution]) -> Iterator[Verdict]:
    own = getattr(member, "stream", None)
    if own is not None:
        yield from own(solutions)
        return
    while batch := list(islice(solutions, _BATCH)):
        yield from _ask(member, batch)


def _says(verdict: Verdict, *, why: bool = False) -> str:
    if verdict.abstained:
        return f"abstained ({verdict.reason})" if why else "abstained"
    if verdict.checked == 0 and verdict.num_steps:
        return "checked nothing"
    return str(verdict.first_error)


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."
