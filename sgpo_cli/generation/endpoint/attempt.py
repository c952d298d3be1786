"""What one try means for the call: an answer, or a fault and whether to ask again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sgpo_cli.generation.endpoint.answer import Answer, error_code, error_words, read_answer
from sgpo_cli.generation.endpoint.backoff import retry_after
from sgpo_cli.generation.endpoint.secret import Secret
from sgpo_cli.generation.endpoint.types import FailureKind
from sgpo_cli.generation.endpoint.wire import NoResponse, Response, TooLong

PASSING = (408, 409, 425)
"""Refusals that a later try may not meet, besides 429 and 5xx."""
HOPELESS = (401, 402, 403, 404)
"""Refusals that every request of this key or for this model will meet at this server."""
NO_MONEY = "insufficient_quota"
"""OpenAI's code on a 429 that no waiting mends."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a try gave no answer. `again`: a later try may; `elsewhere`: another server may.

    `wait_s`: what the server asked for. `own`: it may lie in this request alone, so the server counts as working.
    """

    kind: FailureKind
    what: str
    again: bool = True
    elsewhere: bool = True
    wait_s: float | None = None
    own: bool = False


def weigh(
    got: Response | NoResponse, url: str, secret: Secret, read: Callable[[bytes], Answer | str] = read_answer
) -> Answer | Fault:
    """What came of a request to `url`, whose body `read` reads; a fault's words hold no secret."""
    if isinstance(got, TooLong):
        return Fault("bad_reply", f"{url} sent {got.what}")
    if isinstance(got, NoResponse):
        kind: FailureKind = "timeout" if got.timed_out else "connection"
        return Fault(kind, secret.words(f"{url}: {got.what}"))
    if got.status == 200:
        found = read(got.body)
        return found if isinstance(found, Answer) else Fault("bad_reply", secret.words(f"{url} sent 200 with {found}"))
    return _refusal(got, url, secret)


def _refusal(got: Response, url: str, secret: Secret) -> Fault:
    said = error_words(got.body) or got.headers.get("location", "")
    what = secret.words(f"{url} answered {got.status}: {said}" if said.strip() else f"{url} answered {got.status}")
    wait_s = retry_after(got.headers)
    if got.status == 429 and error_code(got.body) != NO_MONEY:
        return Fault("rate_limited", what, wait_s=wait_s)
    if got.status >= 500 or got.status in PASSING:
        return Fault("server", what, wait_s=wait_s)
    hopeless = got.status in HOPELESS or got.status == 429
    return Fault("refused", what, again=False, elsewhere=hopeless, own=not hopeless)
