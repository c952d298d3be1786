"""What generates must be there."""

from __future__ import annotations

import importlib.util

from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import Generation

VLLM_FIX = "pip install 'sgpo-cli[vllm]', or write generation.engine: transformers"


@reads("generation.engine")
def engine_is_installed(view: View) -> None:
    """A warning only: a recipe for another machine can be planned here, and a smoke run needs no vLLM."""
    if (missing := missing_engine(view.recipe.generation)) is not None:
        view.warn("generation.engine", missing, VLLM_FIX)


def missing_engine(generation: Generation) -> str | None:
    """What is not installed of the engine that a recipe asks for; None when nothing is missing."""
    if generation.engine == "vllm" and importlib.util.find_spec("vllm") is None:
        return "generation.engine: vllm is not installed"
    return None
