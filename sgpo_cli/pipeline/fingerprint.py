"""Fingerprints: what a stage's result depends on, as one hash.

Stage config + content hashes of local data and cards + hub revision + a code version a kind + the inputs' fingerprints;
never name, launch, tracking or display. Equal fingerprint: the result may be reused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sgpo_cli.recipe.address import STANDIN
from sgpo_cli.recipe.cards import load_eval_card, load_judge_card
from sgpo_cli.recipe.find import find_card
from sgpo_cli.recipe.judgecards import OPERATIONAL, ProcessRewardCard, asked_by
from sgpo_cli.recipe.schema import Benchmark

# Raise a kind's number when its code changes what a stage produces from the same recipe.
CODE_VERSION = {
    "warmup": 1,
    "rollout": 1,
    "judge_train": 1,
    "judge": 3,
    "train": 2,
    "eval": 2,
    "responses": 3,
    "report": 1,
}


def fingerprint(kind: str, config: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """16 hex digits over the kind, its code version, its config and the fingerprints of its inputs."""
    told = {"kind": kind, "code": CODE_VERSION[kind], "config": config, "inputs": dict(inputs)}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_hash(path: Path) -> str:
    """Hash of a file's bytes, or of a folder's file names and bytes."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if file != path:
            digest.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def judge_content(card: str) -> str:
    """A hash of what a card's verdicts depend on, with those of the cards that it names in turn.

    Servers, keys, limits and prices are left out: a run may go on with fewer calls at a time.
    """
    loaded = load_judge_card(card)
    told = {key: value for key, value in asdict(loaded).items() if key not in OPERATIONAL}
    told["standin"] = STANDIN in (getattr(loaded, "endpoints", None) or ())
    if isinstance(loaded, ProcessRewardCard):
        told["content"] = model_identity(loaded.model)
    own = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return "+".join([own, *(judge_content(name) for name in asked_by(loaded))])


def model_identity(path: str | None) -> dict[str, Any] | None:
    """What tells a local model folder from another without reading gigabytes: names, sizes and times of its files."""
    folder = Path(path).expanduser() if path else None
    if folder is None or not folder.is_dir():
        return None
    files = sorted(p for p in folder.iterdir() if p.is_file())
    return {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in files}


def bench_content(use: Benchmark) -> dict[str, str | None]:
    """`card` and `content`: hashes of a bench's card and of the local file, the card's own or one in its place, that
    its problems come from (None: from the hub, or a built-in task)."""
    source = use.file or load_eval_card(use.card).file
    return {"card": content_hash(find_card("evals", use.card)), "content": local_content(source)}


def local_content(source: str | None) -> str | None:
    """The content hash of `source` when it is a local file or folder; None for hub ids and built-in tasks."""
    if source is None:
        return None
    path = Path(source).expanduser()
    return content_hash(path) if path.exists() else None
