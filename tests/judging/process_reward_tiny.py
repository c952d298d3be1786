"""Tiny process reward models with random weights, written the way the published checkpoints lie on the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForTokenClassification,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"]
_TEXT = [
    "Add the numbers: 3 + 4 = 7, so the answer is 7.\n\n"
    "Step 1: the total of them is twelve.\nStep 2: then we halve it.",
    "one\n\ntwo\n\nthree\n\nfour",
    "system user assistant Please reason step by step, and put your final answer within \\boxed{}.",
] * 4


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, with Qwen2's own way of cutting text and a chat template of its shape."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        _TEXT, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    inner.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHAT
    return tokenizer


def sentencepiece_tokenizer() -> PreTrainedTokenizerFast:
    """As Mistral's: spaces are letters, one is put before every text, other characters are bytes; BOS first."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁▁"]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:=+-кик"
    pieces += dict.fromkeys(letters)
    merges = [
        ("▁", "▁"),
        ("к", "и"),
        ("▁", "ки"),
        ("▁", "+"),
        ("▁", "-"),
        ("▁", "S"),
        ("t", "e"),
        ("te", "p"),
        ("▁S", "tep"),
    ]
    merges += [("S", "tep")]
    pieces += ["ки", "▁ки", "▁+", "▁-", "▁S", "te", "tep", "▁Step", "Step"]
    vocabulary = {piece: at for at, piece in enumerate(dict.fromkeys(pieces))}
    inner = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    from tokenizers.processors import TemplateProcessing

    inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def qwen_prm(folder: Path, *, classes: int = 2) -> Path:
    """A checkpoint as Qwen2.5-Math-PRM's: config.json of transformers 4.37 that points at remote code which is not
    there, weights `model.*`, `score.0.*`, `score.2.*` and an unused `lm_head`."""
    tokenizer = chat_tokenizer()
    config = Qwen2Config(vocab_size=len(tokenizer), tie_word_embeddings=False, **SIZES)
    torch.manual_seed(0)
    weights = {name: tensor.contiguous() for name, tensor in Qwen2ForCausalLM(config).state_dict().items()}
    hidden = config.hidden_size
    weights |= {
        "score.0.weight": torch.randn(hidden, hidden) / hidden**0.5,
        "score.0.bias": torch.randn(hidden) / 10,
        "score.2.weight": torch.randn(classes, hidden),
        "score.2.bias": torch.randn(classes) / 10,
    }
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_published(len(tokenizer))))
    tokenizer.save_pretrained(folder)
    return folder


def _published(vocabulary: int) -> dict[str, Any]:
    remote = "modeling_qwen2_rm.Qwen2ForProcessRewardModel"
    return {
        **SIZES,
        "architectures": ["Qwen2ForProcessRewardModel"],
        "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig", "AutoModel": remote},
        "hidden_act": "silu",
        "max_window_layers": 2,
        "model_type": "qwen2",
        "rms_norm_eps": 1e-05,
        "rope_theta": 500.0,
        "sliding_window": 131072,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.37.0",
        "use_cache": True,
        "use_mrope": False,
        "use_sliding_window": False,
        "vocab_size": vocabulary,
    }


def shepherd(folder: Path, *, tied: bool = False) -> Path:
    """A causal language model that says + or - at each tag, as Math-Shepherd's."""
    tokenizer = sentencepiece_tokenizer()
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=tied, **SIZES)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def trl_prm(folder: Path, *, labels: int = 2) -> Path:
    """What TRL's trainer of process reward models leaves: a token-classification head on a decoder."""
    tokenizer = chat_tokenizer()
    torch.manual_seed(2)
    config = Qwen3Config(vocab_size=len(tokenizer), head_dim=8, num_labels=labels, **SIZES)
    Qwen3ForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
