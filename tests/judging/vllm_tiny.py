"""A tiny chat model with random weights, as a folder that vLLM serves: it says nothing sensible, unless told to.

Told how to think in Qwen3's way, `chat_template_kwargs: {enable_thinking: ...}`, its answer is settled:

- not told: random text;
- false: the prompt ends with thoughts that are over, and one of `ANSWERS` follows;
- true: the prompt opens the thoughts, the model ends them at once, and one of `ANSWERS` follows.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.judging.process_reward_tiny import CHAT, chat_tokenizer

LONGEST = 8192
"""Tokens of prompt and answer."""
THINK = ("<think>", "</think>")
ANSWERS = ('{"first_error": 0}', '{"first_error": 1}', '{"first_error": 2}')
"""A token each, and equally likely: only so is a whole answer certain without any training."""
# Wide enough for vLLM's attention on a CPU, which knows no head narrower than 32.
_SIZES = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": LONGEST,
    "initializer_range": 0.3,
}
_NO_LINK = 0
_OPENING = (
    "{% if add_generation_prompt and enable_thinking is defined %}"
    "{{ '<think>' if enable_thinking else '<think></think>' }}{% endif %}"
)


def tiny_chat(folder: Path) -> Path:
    """Writes the model, its tokenizer and chat template into `folder`, and gives it back."""
    tokenizer = _tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **_SIZES,
    )
    model = LlamaForCausalLM(config)
    begin, end, *answers = (tokenizer.convert_tokens_to_ids(token) for token in (*THINK, *ANSWERS))
    _chain(model, [(begin, [end]), (end, answers), *((one, [tokenizer.eos_token_id]) for one in answers)])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = chat_tokenizer()
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in (*THINK, *ANSWERS)])
    tokenizer.chat_template = CHAT + _OPENING
    return tokenizer


def _chain(model: LlamaForCausalLM, links: list[tuple[int, list[int]]]) -> None:
    """Makes each token be followed by one of its successors, with equal chances, whatever came before, and by no other.

    Its embedding is so long that no layer can turn it: the last layer then sees its direction, and the successors'
    logits are about 28 there, where no other is much above 10. One coordinate says "no link", is written by no layer,
    and keeps the links' tokens out of random text: a grammar would otherwise make them likely.
    """
    linked = [token for token, _ in links]
    after = model.lm_head.weight
    with torch.no_grad():
        model.model.embed_tokens.weight[:, _NO_LINK] = 3.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[_NO_LINK] = 0.0
            layer.mlp.down_proj.weight[_NO_LINK] = 0.0
        after[[*linked, *(one for _, followers in links for one in followers)]] = 0.0
        after[linked, _NO_LINK] = -1000.0
        for token, followers in links:
            direction = torch.randn(model.config.hidden_size)
            direction[_NO_LINK] = 0.0
            direction /= direction.norm()
            model.model.embed_tokens.weight[token] = 1e5 * direction
            after[followers] += 2.5 * direction
