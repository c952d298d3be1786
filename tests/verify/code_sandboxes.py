"""The sandboxes that the tests of code grading run in: each kind, or a skip that says why it is not here."""

from __future__ import annotations

import functools

import pytest

from sgpo_cli.verify.code import Sandbox
from sgpo_cli.verify.code.sandbox import candidates
from sgpo_cli.verify.code.trial import try_out

KINDS = ("bubblewrap", "namespaces")


@functools.cache
def _find(kind: str) -> Sandbox | str:
    """The sandbox of that kind which holds here, or the reasons why none does."""
    reasons = []
    for one in candidates():
        if one.name == kind:
            reason = try_out(one)
            if reason is None:
                return one
            reasons.append(reason)
    return "; ".join(reasons) or "not installed"


def sandbox_or_skip(kind: str) -> Sandbox:
    found = _find(kind)
    if isinstance(found, str):
        pytest.skip(f"{kind} does not work here: {found}")
    return found
