"""A tokenizer for any text without a download: one token a byte. For `--smoke` and for tests; no real model speaks
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, START, END = "<pad>", "<eos>", "<start>", "<end>"

CHAT_TEMPLATE = (
    "{% for message in messages %}<start>{{ message['role'] }}\n{{ message['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant\n{% endif %}"
)


def stand_in_tokenizer(*, chat: bool) -> PreTrainedTokenizerFast:
    """260 tokens: the 256 bytes and four special ones. `chat` gives it a chat template, with `<end>` as its EOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [PAD, EOS, START, END]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: number for number, token in enumerate([*special, *alphabet])}
    coder = Tokenizer(models.BPE(vocab=ids, merges=[]))
    coder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    coder.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=coder,
        pad_token=PAD,
        eos_token=END if chat else EOS,
        additional_special_tokens=special,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
