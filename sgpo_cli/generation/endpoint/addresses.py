"""Which of several servers is asked next: the least busy of those that work."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sgpo_cli.errors import UserError


@dataclass(slots=True, eq=False)
class Address:
    """One server as it looks from here. Times are in seconds of the monotonic clock."""

    url: str
    in_flight: int = 0
    failures: int = 0
    """In a row, up to now."""
    avoid_until: float = 0.0
    turn: int = 0
    """When it was last picked, so that idle servers take turns."""

    def is_well(self, now: float) -> bool:
        """Whether to send it whatever comes. After a failure it gets one request at a time until one is answered."""
        return now >= self.avoid_until and not (self.failures and self.in_flight)


class Addresses:
    """All servers of one client; used on the client's loop only."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [Address(url) for url in urls]
        self._turn = 0

    def pick(self, tried: Collection[Address], now: float) -> Address:
        """The one to ask: well before unwell, not yet tried before tried, least busy, longest not asked."""

        def order(one: Address) -> tuple[bool, bool, float, int, int]:
            well = one.is_well(now)
            return (not well, one in tried, 0.0 if well else one.avoid_until, one.in_flight, one.turn)

        best = min(self.all, key=order)
        self._turn += 1
        best.turn = self._turn
        return best

    def another(self, tried: Collection[Address], now: float) -> bool:
        """Whether a server that works was not tried yet."""
        return any(one not in tried and one.is_well(now) for one in self.all)


def checked(url: str) -> str:
    """The base address without a slash at its end. Raises `UserError` for what no request can be sent to."""
    try:
        parts = urlsplit(url.strip())
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        raise UserError(f"the server address {_shown(url)} is not one", fix=EXAMPLE) from None
    if bad:
        raise UserError(f"the server address {_shown(url)} is not one", fix=EXAMPLE)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            f"the server address {_shown(url)} holds more than an address",
            fix="put the key into an environment variable and name it in key_env",
        )
    path = parts.path.rstrip("/")
    if path.endswith("/chat/completions"):
        raise UserError(
            f"the server address {_shown(url)} must be the part before /chat/completions",
            fix=f"{parts.scheme}://{parts.netloc}{path.removesuffix('/chat/completions')}",
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


EXAMPLE = "write it like http://localhost:8000/v1"


def _shown(url: str) -> str:
    """The address as an error may show it: without anything that may be a password or a key."""
    scheme, mark, rest = url.partition("://")
    rest = rest.split("?")[0].split("#")[0]
    return repr(f"{scheme}{mark}{rest.rpartition('@')[2]}") if mark else repr(url.rpartition("@")[2].split("?")[0])


def is_loopback(url: str) -> bool:
    """Whether the server runs on this machine, so that no proxy of the environment must stand between."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
