"""What the tests of the language-model judge share: a judge at a test server, and solutions whose truth is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sgpo_cli.judging.language.judge import LanguageModelJudge, from_options
from sgpo_cli.judging.store import VerdictStore
from sgpo_cli.judging.verdict import Solution
from tests.servers.behaviours import Act, Asked, verdict
from tests.servers.chat_server import ChatServer

_WRONG = re.compile(r"^\[Step (\d+)\]\n[^\n]*WRONG", re.MULTILINE)


def right(asked: Asked) -> Act:
    """A judge that is never wrong: steps that say WRONG are. It looks at the whole conversation, repair tries too."""
    found = _WRONG.search("\n".join(message["content"] for message in asked.messages))
    return verdict(int(found[1]) if found else 0)(asked)


def solution(number: int, *, steps: int = 3) -> Solution:
    """Its first wrong step is number % (steps + 1), or none where that is `steps`."""
    wrong = number % (steps + 1)
    said = tuple(f"{'WRONG' if i == wrong else 'right'} {number}.{i}" for i in range(steps))
    return Solution(f"problem {number // 4}", said, reference=f"reference {number // 4}")


def truth(given: Solution) -> int:
    return next((i for i, step in enumerate(given.steps) if "WRONG" in step), -1)


def judge_at(server: ChatServer, *, store: Path | None = None, **options: Any) -> LanguageModelJudge:
    """The judge of a card with these options, at the test server; waits are kept short."""
    told: dict[str, Any] = {
        "model": "judge",
        "endpoints": [server.url],
        "timeout_s": 5.0,
        "deadline_s": 20.0,
        "retries": 0,
        "store": None if store is None else VerdictStore(store),
    }
    return from_options(told | options)
