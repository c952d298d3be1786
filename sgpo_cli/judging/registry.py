"""The judges by kind: a plain table from `kind` to a factory that takes the card's options.

A factory imports its judge when it is called, so that naming the judges costs nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from sgpo_cli.errors import UserError
from sgpo_cli.judging.verdict import Judge

Factory = Callable[[Mapping[str, object]], Judge]


def _arithmetic(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.arithmetic.judge import from_options

    return from_options(options)


def _hops_oracle(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.hops_oracle import from_options

    return from_options(options)


def _reference(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.reference.judge import from_options

    return from_options(options)


def _language_model(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.language.judge import from_options

    return from_options(options)


def _learned(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.learned.judge import from_options

    return from_options(options)


def _vote(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.vote import from_options

    return from_options(options)


def _noise(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.noise import from_options

    return from_options(options)


def _process_reward(options: Mapping[str, object]) -> Judge:
    from sgpo_cli.judging.process_reward.open import from_options

    return from_options(options)


JUDGES: dict[str, Factory] = {
    "arithmetic": _arithmetic,
    "hops_oracle": _hops_oracle,
    "language_model": _language_model,
    "learned": _learned,
    "noise": _noise,
    "process_reward": _process_reward,
    "reference": _reference,
    "vote": _vote,
}


def load_judge(kind: str, options: Mapping[str, object]) -> Judge:
    """The judge of a card; `UserError` names the kinds when there is none of that name."""
    factory = JUDGES.get(kind)
    if factory is None:
        near = difflib.get_close_matches(kind, JUDGES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"no judge of kind {kind!r}", fix=f"{hint}kinds: {', '.join(sorted(JUDGES))}")
    return factory(options)
