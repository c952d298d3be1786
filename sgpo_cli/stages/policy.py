"""Opens the policy that a stage samples from, as its recipe says how."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sgpo_cli.stages.context import StageContext

if TYPE_CHECKING:
    from sgpo_cli.generation.prompts import Prompt
    from sgpo_cli.generation.transformers_engine import TransformersEngine
    from sgpo_cli.training.problems import Problems


def open_engine(context: StageContext, *, top_k: int = 0) -> tuple[TransformersEngine, Callable[[str], Prompt]]:
    """The engine over the stage's policy, and how a problem's text is asked (plain, or as chat messages)."""
    from sgpo_cli.generation.load import load_policy, load_tokenizer
    from sgpo_cli.generation.prompts import render
    from sgpo_cli.generation.transformers_engine import TransformersEngine

    model, path = context.recipe.model, context.policy()
    revision, trusted = model.revision, model.trust_remote_code
    tokenizer = load_tokenizer(path, chat_template=model.chat_template, revision=revision, trust_remote_code=trusted)
    policy = load_policy(path, dtype=model.dtype, revision=revision, trust_remote_code=trusted, to_accelerator=True)

    def ask(text: str) -> Prompt:
        return render(text, tokenizer, chat=model.chat, system=model.system_prompt)

    return TransformersEngine(policy, tokenizer, top_k=top_k), ask


def open_problems(context: StageContext) -> Problems:
    """The recipe's problems, without those that the policy's tokenizer finds too long (`data.max_problem_tokens`)."""
    from sgpo_cli.generation.load import load_tokenizer
    from sgpo_cli.training.long_problems import prompt_lengths
    from sgpo_cli.training.problems import load_problems

    recipe, model = context.recipe, context.recipe.model
    tokenizer = load_tokenizer(
        context.policy(),
        chat_template=model.chat_template,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
    )
    return load_problems(recipe, prompt_lengths(model, recipe.data.prompt, tokenizer))
