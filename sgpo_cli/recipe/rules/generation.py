"""What generates must be there, in versions that work together, and a server must have an address."""

from __future__ import annotations

import importlib.util
from urllib.parse import urlsplit

from sgpo_cli.recipe.lineups import VLLM_FIX as LINEUP_FIX
from sgpo_cli.recipe.lineups import vllm_mismatch
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import Generation

VLLM_FIX = "pip install 'sgpo-cli[vllm]', or write generation.engine: transformers"
SERVE = (
    "start it beside the training: VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --logprobs-mode processed_logprobs "
    """--weight-transfer-config '{"backend":"nccl"}'"""
)
"""What TRL 1.16 needs of a server that it sends weights to."""


@reads("generation.engine")
def engine_is_installed(view: View) -> None:
    """A warning only: a recipe for another machine can be planned here, and a smoke run needs no vLLM."""
    if (missing := missing_engine(view.recipe.generation)) is not None:
        view.warn("generation.engine", missing, VLLM_FIX)
    elif view.recipe.generation.engine != "transformers" and (wrong := vllm_mismatch()) is not None:
        view.warn("generation.engine", wrong, LINEUP_FIX)


@reads("generation.engine", "generation.server", "generation.server_timeout")
def a_server_has_an_address(view: View) -> None:
    generation = view.recipe.generation
    if generation.engine == "vllm_server":
        if generation.server is None:
            view.error("generation", "generation.engine vllm_server needs generation.server: http://host:port", SERVE)
        elif not _is_address(generation.server):
            what = f"generation.server {generation.server!r} is no address"
            view.error("generation.server", what, "write http://host:port")
        return
    given = Generation()
    for name in ("server", "server_timeout"):
        key = f"generation.{name}"
        # A resolved recipe writes defaults down too.
        if getattr(generation, name) != getattr(given, name):
            what = f"{key} does nothing: generation.engine is {generation.engine}"
            view.error(key, what, "write generation.engine: vllm_server, or take it out")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


def missing_engine(generation: Generation) -> str | None:
    """What is not installed of the engine that a recipe asks for; None when nothing is missing."""
    if generation.engine != "transformers" and importlib.util.find_spec("vllm") is None:
        return f"generation.engine: {generation.engine} is not installed"
    return None
