"""The policy: where it comes from, and what a random-weight one must fit."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sgpo_cli.recipe.guidance import Guided
from sgpo_cli.recipe.only_judge import only_judge
from sgpo_cli.recipe.rules.view import View, reads
from sgpo_cli.recipe.schema import Lora


@reads("model.path", "model.scratch")
def one_origin(view: View) -> None:
    model = view.recipe.model
    if model.path is None and model.scratch is None and not only_judge(view.recipe):
        fix = "write model.path (a hub id or a folder), or model.scratch for random weights"
        view.error("model", "model has neither path nor scratch", fix)
    if model.path is not None and model.scratch is not None:
        fix = "write null for one of them; a recipe that extends another inherits its model"
        view.error(view.blame("model.path", "model.scratch"), "model has both path and scratch", fix)


@reads("model.lora")
def adapters_need_their_libraries(view: View) -> None:
    """A warning only: a recipe for another machine can be planned here."""
    lora = view.recipe.model.lora
    for at, what, fix in missing_for_adapters(lora) if lora is not None else []:
        view.warn(at, what, fix)


@reads("model.lora")
def adapters_have_a_place(view: View) -> None:
    lora = view.recipe.model.lora
    if lora is not None and lora.targets is not None and not lora.targets:
        fix = "name linear layers, or write null for all but the output head"
        view.error("model.lora.targets", "model.lora.targets names no layer: nothing would be trained", fix)


def missing_for_adapters(lora: Lora) -> list[tuple[str, str, str]]:
    """(key, what is not installed, what to type) of the libraries that adapters need."""
    wanted = [("model.lora", "peft", "pip install 'sgpo-cli[lora]'")]
    if lora.quantize is not None:
        wanted.append(("model.lora.quantize", "bitsandbytes", "pip install 'sgpo-cli[qlora]'"))
    return [
        (at, f"{at} needs {name}, which is not installed", fix)
        for at, name, fix in wanted
        if importlib.util.find_spec(name) is None
    ]


@reads("model.path", "model.revision")
def revision_is_of_the_hub(view: View) -> None:
    model = view.recipe.model
    if model.revision is not None and (model.path is None or Path(model.path).is_absolute()):
        view.warn("model.revision", "model.revision is of the hub, and this model is not from there: it does nothing")


@reads("model.scratch")
def scratch_has_whole_heads(view: View) -> None:
    scratch = view.recipe.model.scratch
    if scratch is None:
        return
    at = "model.scratch"
    if scratch.hidden_size % scratch.heads:
        what = f"{at}.hidden_size {scratch.hidden_size} is no multiple of {at}.heads {scratch.heads}"
        view.error(view.blame(f"{at}.heads", f"{at}.hidden_size"), what)
    elif scratch.hidden_size // scratch.heads % 2:
        what = f"{at}: {scratch.hidden_size} / {scratch.heads} heads leaves an odd width a head, which RoPE cannot turn"
        view.error(view.blame(f"{at}.heads", f"{at}.hidden_size"), what)
    if scratch.kv_heads is not None and scratch.heads % scratch.kv_heads:
        view.error(f"{at}.kv_heads", f"{at}.kv_heads {scratch.kv_heads} does not divide {at}.heads {scratch.heads}")


@reads("model.scratch", "trainer.max_completion_length")
def rollouts_fit_the_context(view: View) -> None:
    scratch, longest = view.recipe.model.scratch, view.recipe.trainer.max_completion_length
    if scratch is not None and longest >= scratch.context:
        what = f"rollouts of {longest} tokens and their problem do not fit model.scratch.context {scratch.context}"
        blamed = view.blame("trainer.max_completion_length", "model.scratch.context")
        view.error(blamed, what, "raise model.scratch.context or lower trainer.max_completion_length")


@reads("model.scratch", "data.source", "data.hops", "guidance", "trainer.max_completion_length")
def hops_fits_the_context(view: View) -> None:
    """A problem of the task has a token for BOS, its start and each hop; other problems are counted when read."""
    recipe = view.recipe
    scratch, longest = recipe.model.scratch, recipe.trainer.max_completion_length
    if scratch is None or recipe.data.source != "hops" or longest >= scratch.context:
        return
    guidance, asked = recipe.guidance, recipe.data.hops.hops + 2
    more = guidance.cap if isinstance(guidance, Guided) and guidance.budget == "extra" else 0
    if asked + longest + more > scratch.context:
        told = f" and {more} injected ones" if more else ""
        what = f"problems of {asked} tokens and rollouts of {longest}{told} do not fit model.scratch.context"
        blamed = view.blame("model.scratch.context", "data.hops.hops", "trainer.max_completion_length")
        view.error(blamed, f"{what} {scratch.context}", f"raise model.scratch.context to {asked + longest + more}")


@reads("model.chat", "model.system_prompt", "model.chat_template")
def chat_settings_need_chat(view: View) -> None:
    model = view.recipe.model
    if model.chat is not False:
        return
    for key, value in (("system_prompt", model.system_prompt), ("chat_template", model.chat_template)):
        if value is not None:
            blamed = view.blame(f"model.{key}", "model.chat")
            view.error(blamed, f"model.{key} needs chat messages, and model.chat is false", f"write model.{key}: null")
