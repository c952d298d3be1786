"""Sampling with vLLM in this process. Prompts go in as token ids, made as for the transformers engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sgpo_cli.errors import UserError
from sgpo_cli.generation.engine import Completion, Seed
from sgpo_cli.generation.prompts import Prompt, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class VllmEngine:
    """An `Engine`; the model is loaded with it. vLLM is imported here only."""

    name = "vllm"

    def __init__(
        self,
        path: str | Path,
        tokenizer: PreTrainedTokenizerBase,
        *,
        dtype: str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
        stop_ids: frozenset[int] = frozenset(),
    ) -> None:
        """`stop_ids`: tokens that end an answer besides the tokenizer's EOS and those of the generation config.

        Raises:
            UserError: vLLM is not installed, or the model cannot be opened.
        """
        try:
            from vllm import LLM
        except ImportError as problem:
            raise UserError(
                f"vLLM is not installed ({problem})", fix="pip install 'sgpo-cli[vllm]', or --engine transformers"
            ) from problem
        self.tokenizer = tokenizer
        self.stop_ids = sorted({int(tokenizer.eos_token_id), *stop_ids})
        try:
            self._model = LLM(
                model=str(path),
                dtype=dtype,
                revision=revision,
                trust_remote_code=trust_remote_code,
                seed=0,
                skip_tokenizer_init=True,
                generation_config="vllm",  # its own defaults would change the card's sampling
            )
        except (OSError, ValueError) as problem:
            raise UserError(f"vLLM cannot open this model: {problem}", where=str(path)) from problem

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: Seed,
        top_k: int | None = None,
    ) -> list[Completion]:
        from vllm import SamplingParams, TokensPrompt

        ids = prompt_ids(prompts, self.tokenizer)
        seeds = [seed + row for row in range(len(ids))] if isinstance(seed, int) else list(seed)
        params = [
            SamplingParams(
                max_tokens=max_new_tokens,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k or 0,
                seed=own,
                stop_token_ids=self.stop_ids,
                detokenize=False,
            )
            for own in seeds
        ]
        made = self._model.generate([TokensPrompt(prompt_token_ids=one) for one in ids], params, use_tqdm=False)
        found = [output.outputs[0] for output in made]
        return [
            Completion(
                text=self.tokenizer.decode(list(one.token_ids), skip_special_tokens=True),
                ids=tuple(one.token_ids),
                truncated=one.finish_reason == "length",
            )
            for one in found
        ]
