"""The key of a server, and the texts it must not be in: servers echo it in error messages, proxies in HTML pages."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterator
from urllib.parse import quote

from sgpo_cli.errors import UserError

HIDDEN = "***"
LONGEST = 300
"""Characters of a server's own words that are passed on."""
TELLING = 8
"""Shorter keys ("EMPTY", as local servers are often given) are no secret, and may be words of an answer."""


class Secret:
    """A key that shows itself to `header()` alone."""

    __slots__ = ("_exact", "_key", "_pattern")

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._exact = key if key and len(key) >= TELLING else None
        forms = [rf"{re.escape(form)}" for form in _spellings(key)] if key else []
        # Alternatives meet at the same place in this order, so the whole key behind "Bearer" comes before any word.
        whole = [rf"(?i:\bbearer)\s+{form}" for form in forms]
        if self._exact:
            # A server may cut the key it repeats: what starts as the key does goes too.
            forms.append(rf"{re.escape(self._exact[:TELLING])}[^\s\"'<>]*")
        self._pattern = re.compile("|".join([*whole, *forms, r"(?i:\bbearer)\s+[^\s\"'<>]+"]))

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def header(self) -> dict[str, str]:
        """The request header that carries it; none without a key."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    def hide(self, text: str) -> str:
        """`text` of a model's answer, which must stay as it is but for the whole key."""
        return text.replace(self._exact, HIDDEN) if self._exact else text

    def words(self, text: str) -> str:
        """One line of an error's text, without the key in any spelling; cut only after that."""
        line = " ".join(self._pattern.sub(HIDDEN, text).split())
        line = "".join(character if character.isprintable() else "?" for character in line)
        return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _spellings(key: str) -> Iterator[str]:
    """The key as it may be found in JSON, HTML, an address or basic authentication; the longest first."""
    encoded = {base64.b64encode(text.encode()).decode().rstrip("=") for text in (key, f"Bearer {key}", f":{key}")}
    forms = {key, html.escape(key), quote(key, safe=""), key.replace("/", "\\/"), repr(key)[1:-1], *encoded}
    yield from sorted(forms, key=len, reverse=True)


def read_key(key_env: str | None) -> Secret:
    """The key in that environment variable. Raises `UserError` where there is none, or one no header can carry."""
    if key_env is None:
        return Secret(None)
    key = os.environ.get(key_env, "").strip()
    if not key:
        raise UserError(
            f"the server's key is not set: the environment variable {key_env} is empty",
            fix=f"export {key_env}=...    (or key_env: null for a server that needs no key)",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"the key in {key_env} holds characters that no key has", fix=f"export {key_env}=... again")
    return Secret(key)
