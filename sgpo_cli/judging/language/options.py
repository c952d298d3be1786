"""A language model's card as its judge reads it, and what of it a verdict depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sgpo_cli.errors import RecipeError, UserError
from sgpo_cli.generation.endpoint.types import BreakerSettings, ServerSettings
from sgpo_cli.judging.store import VerdictStore
from sgpo_cli.recipe.address import STANDIN
from sgpo_cli.recipe.judgecards import LanguageModelCard
from sgpo_cli.recipe.nodes import Findings, Place, from_plain
from sgpo_cli.recipe.rules.judgecard import check_judge_card
from sgpo_cli.recipe.walker import read

FORM_VERSION = 1
"""Raise it when the code changes what a model is sent for the same card: numbering, placeholders, schema."""


def read_card(options: Mapping[str, object]) -> LanguageModelCard:
    """The card of plain options (`asdict` of a card); `RecipeError` with all their mistakes."""
    plain = {"kind": "language_model", **{key: value for key, value in options.items() if key != "store"}}
    findings = Findings()
    tree = from_plain(plain, Place())
    check_judge_card(tree, findings)
    card = read(LanguageModelCard, tree, findings)
    if findings.found:
        raise RecipeError(findings.mistakes([]), title="these are not the settings of a language-model judge")
    assert isinstance(card, LanguageModelCard)
    return card


def read_store(options: Mapping[str, object]) -> VerdictStore | None:
    store = options.get("store")
    if store is not None and not isinstance(store, VerdictStore):
        raise UserError(f"store must be a VerdictStore or None, not {type(store).__name__}")
    return store


def is_standin(card: LanguageModelCard) -> bool:
    """Whether the judge starts its own server, whose verdicts mean nothing; `UserError` when others are named too."""
    if STANDIN in card.endpoints and set(card.endpoints) != {STANDIN}:
        raise UserError(
            f"endpoints mixes {STANDIN} with real servers: its verdicts mean nothing", fix="write one or the other"
        )
    return STANDIN in card.endpoints


def fingerprint(options: Mapping[str, object]) -> str:
    """Names a judge by everything that changes its answers, and by nothing else: under it verdicts are stored.

    Endpoints, keys, limits of speed and prices do not count. A stand-in does: its verdicts must never be taken for the
    model's.
    """
    return fingerprint_of(read_card(options))


def fingerprint_of(card: LanguageModelCard) -> str:
    told: dict[str, Any] = {
        "form": FORM_VERSION,
        "kind": card.kind,
        "model": card.model,
        "prompt": asdict(card.prompt),
        "reference": card.reference,
        "explain": card.explain,
        "output": card.output,
        "temperature": card.temperature,
        "max_tokens": card.max_tokens,
        "body": card.body,
    }
    if is_standin(card):
        told["standin"] = True
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def server_settings(card: LanguageModelCard, *, standin: str | None = None) -> ServerSettings:
    """What the client is told; `standin` is the address of the judge's own server, which needs no key."""
    return ServerSettings(
        urls=tuple(card.endpoints) if standin is None else (standin,),
        model=card.model,
        key_env=card.key_env if standin is None else None,
        concurrency=card.concurrency,
        timeout_s=card.timeout_s,
        deadline_s=card.deadline_s,
        retries=card.retries,
        breaker=BreakerSettings(card.breaker.share, card.breaker.window, card.breaker.cooldown_s),
        answer_tokens=card.max_tokens,
    )
