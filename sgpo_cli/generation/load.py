"""Tokenizers and policies: from a folder, from the hub, or from nothing; the one place that opens or saves them.

Everything that needs a tokenizer asks `load_tokenizer` (TRL gets it as `processing_class`), because of a trap:
transformers' AutoTokenizer picks a class by the *model's* type. A tokenizer of ours saved beside a qwen2 config comes
back as Qwen2Tokenizer, with that family's own pre-tokenizer and other ids than were saved.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sgpo_cli.errors import UserError
from sgpo_cli.recipe.schema import Scratch
from sgpo_cli.runs.files import make_dir, read_json, remove_tree, writing

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Dtype = Literal["auto", "float32", "bfloat16", "float16"]

_AS_SAVED = {"PreTrainedTokenizerFast", "TokenizersBackend"}
"""What transformers writes as `tokenizer_class` for a tokenizer that is no model family's own, old name and new."""


def load_tokenizer(
    path: str | Path,
    *,
    chat_template: str | Path | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder or hub id, padding on the left, with a pad token.

    A folder whose tokenizer_config.json says that its tokenizer is generic is read by the generic class, which takes
    everything from tokenizer.json; any other goes through AutoTokenizer. A tokenizer without a pad token pads with EOS:
    nothing here tells padding by its id.

    Args:
        chat_template: a file with a Jinja template that replaces the tokenizer's own.

    Raises:
        UserError: nothing at `path`, the hub out of reach, no tokenizer there, no EOS token, no such template file.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    _refuse_missing_folder(path)
    declared = Path(path) / "tokenizer_config.json"
    generic = declared.is_file() and read_json(declared).get("tokenizer_class") in _AS_SAVED
    try:
        if generic and (Path(path) / "tokenizer.json").is_file():
            tokenizer = PreTrainedTokenizerFast.from_pretrained(str(path))
        else:
            tokenizer = AutoTokenizer.from_pretrained(str(path), revision=revision, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, ImportError) as problem:
        raise _cannot_open("tokenizer", path, problem) from problem
    if tokenizer.eos_token_id is None:
        raise UserError("this tokenizer has no EOS token, so no answer could ever end", where=str(path))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    if chat_template is not None:
        try:
            tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
        except OSError as problem:
            raise UserError(f"cannot read the chat template: {problem.strerror}", where=str(chat_template)) from None
    return tokenizer


def generation_stop_ids(path: str | Path, *, revision: str | None = None) -> frozenset[int]:
    """The tokens that a model's generation config says end an answer; none where it has no such file."""
    from transformers import GenerationConfig

    try:
        named = GenerationConfig.from_pretrained(str(path), revision=revision).eos_token_id
    except (OSError, ValueError):
        return frozenset()
    return frozenset(named if isinstance(named, list) else [] if named is None else [named])


def load_policy(
    path: str | Path,
    *,
    dtype: Dtype = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
    to_accelerator: bool = False,
    quantize: Literal["4bit", "8bit"] | None = None,
) -> PreTrainedModel:
    """The causal language model of a folder or hub id, in evaluation mode.

    `auto` is float32 where there is no accelerator (bfloat16 is several times slower on most CPUs) and the
    checkpoint's own type where there is one.

    Args:
        to_accelerator: put it on this machine's accelerator, if any; for sampling (trainers place models themselves).
        quantize: keep linear layers' weights in so many bits (bitsandbytes), on this process's accelerator.

    Raises:
        UserError: nothing at `path`, the hub out of reach, or no causal language model there.
    """
    import torch
    from transformers import AutoModelForCausalLM

    _refuse_missing_folder(path)
    accelerator = torch.accelerator.is_available()
    packed = _packed(quantize, dtype) if quantize is not None else {}
    wanted = ("auto" if accelerator else "float32") if dtype == "auto" else dtype
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(path), dtype=wanted, revision=revision, trust_remote_code=trust_remote_code, **packed
        )
    except (OSError, ValueError, ImportError) as problem:
        raise _cannot_open("model", path, problem) from problem
    if accelerator and to_accelerator:
        model.to(torch.accelerator.current_accelerator())
    return model.eval()


def _packed(quantize: str, dtype: Dtype) -> dict[str, Any]:
    """transformers' options for quantized weights; `UserError` where they cannot be."""
    import importlib.util

    import torch

    if not torch.accelerator.is_available():
        raise UserError(
            f"model.lora.quantize: {quantize} needs an accelerator, and there is none here",
            where="model.lora.quantize",
            fix="run it on a GPU, or write model.lora.quantize: null",
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"model.lora.quantize: {quantize} needs bitsandbytes, which is not installed",
            where="model.lora.quantize",
            fix="pip install 'sgpo-cli[qlora]'",
        )
    from transformers import BitsAndBytesConfig

    compute = torch.float16 if dtype == "float16" else torch.bfloat16
    config = (
        BitsAndBytesConfig(load_in_8bit=True)
        if quantize == "8bit"
        else BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        )
    )
    return {"quantization_config": config, "device_map": {"": torch.accelerator.current_device_index()}}


def build_scratch(scratch: Scratch, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A model with random weights drawn by `seed`, float32, sized to `tokenizer`; the caller's random state is
    untouched.

    Raises:
        UserError: sizes that do not divide each other.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = _scratch_config(scratch, tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return model.eval()


def _scratch_config(scratch: Scratch, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    from transformers import AutoConfig

    kv_heads = scratch.heads if scratch.kv_heads is None else scratch.kv_heads
    if scratch.hidden_size % scratch.heads or (scratch.hidden_size // scratch.heads) % 2:
        raise UserError(
            f"hidden_size {scratch.hidden_size} does not split into {scratch.heads} heads of even width",
            fix="set model.scratch.hidden_size to a multiple of 2 * model.scratch.heads",
        )
    if scratch.heads % kv_heads:
        raise UserError(
            f"{scratch.heads} heads cannot share {kv_heads} key and value heads",
            fix="set model.scratch.kv_heads to a divisor of model.scratch.heads",
        )
    return AutoConfig.for_model(
        scratch.architecture,
        vocab_size=len(tokenizer),
        num_hidden_layers=scratch.layers,
        hidden_size=scratch.hidden_size,
        num_attention_heads=scratch.heads,
        num_key_value_heads=kv_heads,
        # Qwen3's own default (128) is not hidden_size / heads; the other families ignore or agree with this.
        head_dim=scratch.hidden_size // scratch.heads,
        intermediate_size=scratch.intermediate_size,
        rope_parameters={"rope_type": "default", "rope_theta": scratch.rope_theta},
        initializer_range=scratch.initializer_range,
        tie_word_embeddings=scratch.tie_embeddings,
        max_position_embeddings=scratch.context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def save_policy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, *, state: dict[str, Any] | None = None
) -> None:
    """Writes a plain transformers folder, complete or not at all: beside the target first, then renamed over it.

    `state`: the whole weights, where `model` holds a part of them only.
    """
    make_dir(folder.parent)
    with writing(folder):
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            beside.chmod(0o755)
            model.save_pretrained(beside, state_dict=state)
            tokenizer.save_pretrained(beside)
            if folder.exists():
                remove_tree(folder)
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _refuse_missing_folder(path: str | Path) -> None:
    """A path that can only be local and is not there must not be looked up on the hub. (A stage hands a hub id over as
    a path, too.)"""
    text = str(path)
    looks_local = text.startswith((".", "/", "~")) or text.count("/") > 1
    if looks_local and not Path(text).expanduser().is_dir():
        raise UserError("no such model folder", where=text, fix="check the path, or write a hub id (`owner/name`)")


def _cannot_open(what: str, path: str | Path, problem: Exception) -> UserError:
    lines = str(problem).strip().splitlines()
    reason = lines[0] if lines else type(problem).__name__
    if Path(path).is_dir():
        return UserError(f"there is no {what} that transformers can open here: {reason}", where=str(path))
    return UserError(
        f"neither a local folder, nor a {what} that the hub gives us now ({reason})",
        where=str(path),
        fix="check the name and the network (and HF_TOKEN for gated models); a local folder can stand in (model.path)",
    )
