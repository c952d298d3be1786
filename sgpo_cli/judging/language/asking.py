"""Asks a model about one solution: the call, at most one repair try, and the verdict or the reason for none."""

from __future__ import annotations

from typing import Protocol

from sgpo_cli.generation.endpoint.types import ChatRequest, Failure, Reply
from sgpo_cli.judging.language.meter import Meter
from sgpo_cli.judging.language.prompt import Messages, body, messages, repair, shows_reference
from sgpo_cli.judging.language.reply import Found, Unusable, read_answer
from sgpo_cli.judging.verdict import Solution, Verdict
from sgpo_cli.recipe.judgecards import LanguageModelCard

_LONGEST_WHY = 240


class Client(Protocol):
    """The part of `ChatClient` that is needed here."""

    async def ask(self, request: ChatRequest) -> Reply | Failure: ...
    def hide(self, text: str) -> str: ...


class Asker:
    """`name` is what the verdicts' `judge` says."""

    def __init__(self, card: LanguageModelCard, client: Client, meter: Meter, name: str) -> None:
        self._card = card
        self._client = client
        self._meter = meter
        self._name = name

    def without_asking(self, solution: Solution) -> Verdict | None:
        """The verdict where no question is needed or possible."""
        card, steps = self._card, len(solution.steps)
        if steps == 0:
            return Verdict.found(-1, num_steps=0, judge=self._name)
        if steps > card.max_steps:
            return self._abstain(solution, "too_long", f"{steps} steps, max_steps is {card.max_steps}")
        if card.reference == "always" and not shows_reference(card, solution):
            return self._abstain(solution, "no_reference", "there is no reference solution to show")
        return None

    async def ask(self, solution: Solution) -> Verdict:
        """The model's verdict; an abstention whatever goes wrong."""
        try:
            return await self._ask(solution)
        except Exception as problem:  # noqa: BLE001 - a judge never raises for one solution: it abstains, counted
            self._meter.count(failed=1)
            return self._abstain(solution, "error", f"{type(problem).__name__}: {problem}")

    async def _ask(self, solution: Solution) -> Verdict:
        asked = messages(self._card, solution)
        length = sum(len(text) for _, text in asked)
        if length > self._card.max_chars:
            why = f"the prompt has {length} characters, max_chars is {self._card.max_chars}"
            return self._abstain(solution, "too_long", why)
        reply = await self._call(asked, solution)
        answer = self._read(reply, solution)
        if isinstance(answer, Unusable) and isinstance(reply, Reply):
            again = await self._call(asked + repair(self._card, solution, reply.text, answer.fault), solution)
            second = self._read(again, solution)
            if isinstance(second, Found):
                self._meter.count(repaired=1)
            elif isinstance(second, Unusable):
                second = self._give_up(solution, "bad_answer", second.fault)
            answer = second
        assert not isinstance(answer, Unusable)
        return self._found(answer, solution) if isinstance(answer, Found) else answer

    async def _call(self, conversation: Messages, solution: Solution) -> Reply | Failure:
        answer = await self._client.ask(ChatRequest(conversation, body(self._card, len(solution.steps))))
        self._meter.called(answer)
        return answer

    def _read(self, reply: Reply | Failure, solution: Solution) -> Found | Unusable | Verdict:
        """An answer; what a repair try may mend; or the abstention where none can."""
        if isinstance(reply, Failure):
            return self._give_up(solution, reply.kind, reply.what)
        if reply.finish_reason == "length":
            tokens = reply.output_tokens or self._card.max_tokens
            return self._give_up(solution, "cut_off", f"cut off at {tokens} tokens")
        if reply.finish_reason == "content_filter":
            return self._give_up(solution, "filtered", "the server's content filter stopped the answer")
        return read_answer(reply.text, len(solution.steps))

    def _found(self, answer: Found, solution: Solution) -> Verdict:
        reason = self._client.hide(answer.check) if answer.check and answer.first_error >= 0 else None
        return Verdict.found(answer.first_error, num_steps=len(solution.steps), judge=self._name, reason=reason)

    def _give_up(self, solution: Solution, kind: str, why: str) -> Verdict:
        self._meter.count(failed=1)
        return self._abstain(solution, kind, why)

    def _abstain(self, solution: Solution, kind: str, why: str) -> Verdict:
        line = " ".join(self._client.hide(why).split())
        line = line if len(line) <= _LONGEST_WHY else f"{line[: _LONGEST_WHY - 3]}..."
        return Verdict.abstain(f"judge: {kind}: {line}", num_steps=len(solution.steps), judge=self._name)
