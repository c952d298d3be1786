"""The choice of a sandbox: the first that passes its trial here."""

from __future__ import annotations

import functools

from sgpo_cli.errors import UserError
from sgpo_cli.verify.code.sandbox import Sandbox, Unconfined, candidates
from sgpo_cli.verify.code.trial import try_out


@functools.cache
def choose_sandbox(unsafe: bool = False) -> Sandbox:
    """The first sandbox that passes its trial here (trial.py).

    `unsafe`: when none does, run programs unconfined instead of refusing. UserError when none does and `unsafe` is
    not set. The answer is kept: a trial takes about a tenth of a second.
    """
    reasons = []
    for sandbox in candidates():
        reason = try_out(sandbox)
        if reason is None:
            return sandbox
        way = "as root" if sandbox.privileged else "with a user namespace"
        reasons.append(f"{sandbox.name} {way}: {reason}")
    if unsafe:
        return Unconfined()
    raise UserError(
        "no sandbox works here, and programs of a model are not run without one"
        + "".join(f"\n    {reason}" for reason in reasons),
        fix="install bubblewrap (apt-get install bubblewrap). In a container, allow user namespaces "
        "(docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined, or --cap-add SYS_ADMIN); "
        "on Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0. Where the whole machine may be "
        "thrown away, --unsafe (in a recipe `unsafe: true`) runs programs without one.",
    )
