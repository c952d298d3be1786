"""The addresses of a judge's servers, as they may be written."""

from __future__ import annotations

from urllib.parse import urlsplit

STANDIN = "standin"
"""An endpoint that the judge starts itself, for smoke runs: its verdicts mean nothing."""

ADDRESS_FIX = "write it like http://localhost:8000/v1"
SECRET_FIX = "take that out; a key goes into an environment variable that key_env names"


def wrong_address(url: str) -> str | None:
    """What is wrong with the address of a judge's server; None when it can be one."""
    if url == STANDIN:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"{url!r} is no address of a server"
    if parts.username or parts.password or parts.query:
        return "an address holds a user, password or query, which would be written to the run's files"
    return None
