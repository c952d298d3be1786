"""What is asked over the network, under --online only: the hub, what the recipe takes from it, the judge's servers."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sgpo_cli.pipeline.doctor.finding import Finding
from sgpo_cli.pipeline.judge_cost import judge_warnings, language_models
from sgpo_cli.recipe.cards import load_eval_card
from sgpo_cli.recipe.rules.generation import SERVE
from sgpo_cli.recipe.schema import Recipe

_TIMEOUT_S = 6.0
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def hub(recipe: Recipe | None) -> list[Finding]:
    """Whether the hub answers, and knows the model and data sets that the recipe names; all asked at once."""
    said = [name for name in _OFFLINE if os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}]
    if said:
        what = f"{said[0]} is set: nothing is fetched, whatever is there"
        return [Finding("hub", "warning", what, f"unset {said[0]}, unless this machine is meant to be offline")]
    base = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    first = _status(f"{base}/api/models?limit=1")
    if isinstance(first, str) or first >= 500:
        what = f"{base} cannot be reached: {first}" if isinstance(first, str) else f"{base} answered {first}"
        fix = "check the network, a proxy (HTTPS_PROXY), or name a mirror: export HF_ENDPOINT=https://..."
        return [Finding("hub", "error" if recipe is not None and _named(recipe) else "warning", what, fix)]
    named = _named(recipe) if recipe is not None else []
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: _status(f"{base}/api/{one[0]}/{one[1]}"), named))
    found = [_known(kind, name, answer) for (kind, name), answer in zip(named, answers, strict=True)]
    return [Finding("hub", "ok", f"{base} answers"), *(one for one in found if one is not None)]


def _named(recipe: Recipe) -> list[tuple[str, str]]:
    """(`models` or `datasets`, id) of what the recipe would fetch."""
    found = []
    if recipe.model.path is not None and not Path(recipe.model.path).expanduser().exists():
        found.append(("models", recipe.model.path))
    if recipe.data.source != "hops" and not Path(recipe.data.source).exists():
        found.append(("datasets", recipe.data.source))
    cards = [load_eval_card(use.card) for use in recipe.benchmarks if use.file is None]
    found += [("datasets", card.hub) for card in cards if card.hub is not None]
    return list(dict.fromkeys(found))


def _known(kind: str, name: str, answer: int | str) -> Finding | None:
    """A finding on one id, none where the hub knows it."""
    what = {"models": "model", "datasets": "data set"}[kind]
    if answer == 200:
        return None
    if answer in (401, 403, 404):  # the hub says 401 of what is not there, too
        fix = f"check the id; where it is gated, accept its terms at the hub's page of {name} and run hf auth login"
        return Finding("hub", "error", f"{what} {name}: not there, or not for everyone ({answer})", fix)
    return Finding("hub", "warning", f"{what} {name}: {answer}", "ask again later")


def _status(url: str) -> int | str:
    """The answer's status, or in words why there is none."""
    request = urllib.request.Request(url, headers={"User-Agent": "sgpo-doctor"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return int(problem.code)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        return f"no answer in {_TIMEOUT_S:.0f} s" if isinstance(reason, TimeoutError) else str(reason)


def sampler(recipe: Recipe) -> list[Finding]:
    """Whether the server answers that generates for the training, where one does."""
    server = recipe.generation.server
    if recipe.generation.engine != "vllm_server" or server is None:
        return []
    answer = _status(f"{server.rstrip('/')}/health")
    if answer == 200:
        return [Finding("vLLM server", "ok", f"{server} answers")]
    return [Finding("vLLM server", "error", f"generation.server {server}: {answer}", SERVE)]


def judges(recipe: Recipe, *, online: bool) -> list[Finding]:
    """The judge's key, and under --online its servers, as `sgpo plan --online` asks them."""
    if recipe.judge is None:
        return []
    wrong = judge_warnings(recipe, online=online)
    if wrong:
        return [Finding("judge", "error", mistake.what, mistake.fix) for mistake in wrong]
    if not language_models(recipe):
        return [Finding("judge", "ok", f"{recipe.judge.card} asks no server")]
    if online:
        return [Finding("judge", "ok", f"every server of {recipe.judge.card} answers and serves its model")]
    fix = "sgpo doctor RECIPE --online asks them"
    return [Finding("judge", "warning", f"the servers of {recipe.judge.card} were not asked", fix)]
