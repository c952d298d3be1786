"""Parameters by closed formula, from a model's shape: no weights, no torch, no network.

The shape comes from the recipe's `scratch`, from a local or cached config.json, or from a small table of the models
that the shipped recipes name. Tests compare the counts with models built on the meta device.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sgpo_cli.recipe.schema import Model, Scratch


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder's parameter count depends on."""

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int
    tied: bool
    head_dim: int

    def parameters(self) -> int:
        """All weights: embeddings, attention, gated MLP, norms, head."""
        query, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = 2 * self.hidden * query + 2 * self.hidden * kv
        if self.family == "qwen2":
            attention += query + 2 * kv  # q, k, v have biases
        if self.family == "qwen3":
            attention += 2 * self.head_dim  # norms of q and k
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        embeddings = self.vocab * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * layer + self.hidden

    def kv_bytes_per_token(self, width: int) -> int:
        """Bytes of KV cache a token, `width` bytes a number."""
        return 2 * self.layers * self.kv_heads * self.head_dim * width


def _known(family: str, layers: int, hidden: int, heads: int, kv: int, mlp: int, vocab: int, tied: bool) -> Shape:
    head_dim = 128 if family == "qwen3" else hidden // heads
    return Shape(family, layers, hidden, heads, kv, mlp, vocab, tied, head_dim)


# From the models' published config.json files.
KNOWN = {
    "Qwen2.5-0.5B": _known("qwen2", 24, 896, 14, 2, 4864, 151936, True),
    "Qwen2.5-1.5B": _known("qwen2", 28, 1536, 12, 2, 8960, 151936, True),
    "Qwen2.5-3B": _known("qwen2", 36, 2048, 16, 2, 11008, 151936, True),
    "Qwen2.5-7B": _known("qwen2", 28, 3584, 28, 4, 18944, 152064, False),
    "Qwen2.5-Math-PRM-7B": _known("qwen2", 28, 3584, 28, 4, 18944, 152064, False),
    "Qwen2.5-14B": _known("qwen2", 48, 5120, 40, 8, 13824, 152064, False),
    "Qwen2.5-32B": _known("qwen2", 64, 5120, 40, 8, 27648, 152064, False),
    "Qwen2.5-Math-1.5B": _known("qwen2", 28, 1536, 12, 2, 8960, 151936, True),
    "Qwen2.5-Math-7B": _known("qwen2", 28, 3584, 28, 4, 18944, 152064, False),
    "DeepSeek-R1-Distill-Qwen-1.5B": _known("qwen2", 28, 1536, 12, 2, 8960, 151936, False),
    "DeepSeek-R1-Distill-Qwen-7B": _known("qwen2", 28, 3584, 28, 4, 18944, 152064, False),
    "DeepSeek-R1-Distill-Qwen-14B": _known("qwen2", 48, 5120, 40, 8, 13824, 152064, False),
    "DeepSeek-R1-Distill-Qwen-32B": _known("qwen2", 64, 5120, 40, 8, 27648, 152064, False),
    "DeepSeek-R1-Distill-Llama-8B": _known("llama", 32, 4096, 32, 8, 14336, 128256, False),
    "Qwen3-0.6B": _known("qwen3", 28, 1024, 16, 8, 3072, 151936, True),
    "Qwen3-1.7B": _known("qwen3", 28, 2048, 16, 8, 6144, 151936, True),
    "Qwen3-4B": _known("qwen3", 36, 2560, 32, 8, 9728, 151936, True),
    "Qwen3-8B": _known("qwen3", 36, 4096, 32, 8, 12288, 151936, False),
    "Qwen3-14B": _known("qwen3", 40, 5120, 40, 8, 17408, 151936, False),
    "Qwen3-32B": _known("qwen3", 64, 5120, 64, 8, 25600, 151936, False),
}
_SUFFIXES = ("-Instruct", "-Base", "")

_NAMED_LINEARS = {"llama", "mistral", "qwen2", "qwen3"}
"""Families whose decoder layers have the seven linear layers of a llama, under its names."""

# Positions of the same models, to our knowledge: not all the files were looked at. Where a model's config is on this
# machine, that counts. The first beginning of a name that fits.
_POSITIONS = (
    ("Qwen2.5-Math", 4096),
    ("DeepSeek-R1-Distill", 131072),
    ("Qwen2.5-0.5B", 32768),
    ("Qwen2.5-3B", 32768),
    ("Qwen2.5", 131072),
    ("Qwen3", 40960),
)


def shape_of(model: Model, *, vocab: int = 261) -> Shape | None:
    """The shape of a recipe's model; one from scratch has `vocab` tokens (261: bytes).

    None when its config is neither local, cached nor in the table.
    """
    if model.path is None:
        return _scratch(model.scratch or Scratch(), vocab)
    config = _config_file(model.path)
    if config is not None:
        return _from_config(config)
    known = _known_name(model.path)
    return KNOWN[known] if known is not None else None


def _known_name(path: str) -> str | None:
    """The name in the table, without what tells a base model from a chat model."""
    name = path.rsplit("/", 1)[-1]
    bare = (name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix))
    return next((found for found in bare if found in KNOWN), None)


def positions_of(model: Model) -> int | None:
    """The longest sequence that the model was made for; None when its config is neither local, cached nor known."""
    if model.path is None:
        return (model.scratch or Scratch()).context
    config = _config_file(model.path)
    if config is not None:
        text = config.get("text_config")
        found = (text if isinstance(text, dict) else config).get("max_position_embeddings")
        return found if isinstance(found, int) else None
    known = _known_name(model.path)
    if known is None:
        return None
    # Instruct models of Qwen2.5 and base models of Qwen3 have these, whatever their size.
    if not known.startswith(("Qwen2.5-Math", "DeepSeek")) and model.path.endswith(("-Instruct", "-Base")):
        return 32768
    return next(most for begins, most in _POSITIONS if known.startswith(begins))


def linear_names(shape: Shape) -> list[str] | None:
    """The names of a decoder layer's linear layers; None for a family whose names are not known here."""
    return [name for name, _, _ in linears(shape)] if shape.family in _NAMED_LINEARS else None


def linears(shape: Shape) -> list[tuple[str, int, int]]:
    """The linear layers of one decoder layer: name, inputs, outputs."""
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return [
        ("q_proj", shape.hidden, query),
        ("k_proj", shape.hidden, kv),
        ("v_proj", shape.hidden, kv),
        ("o_proj", query, shape.hidden),
        ("gate_proj", shape.hidden, shape.intermediate),
        ("up_proj", shape.hidden, shape.intermediate),
        ("down_proj", shape.intermediate, shape.hidden),
    ]


def _scratch(scratch: Scratch, vocab: int) -> Shape:
    return Shape(
        family=scratch.architecture,
        layers=scratch.layers,
        hidden=scratch.hidden_size,
        heads=scratch.heads,
        kv_heads=scratch.kv_heads or scratch.heads,
        intermediate=scratch.intermediate_size,
        vocab=vocab,
        tied=scratch.tie_embeddings,
        head_dim=scratch.hidden_size // scratch.heads,
    )


def cached_file(path: str, name: str) -> Path | None:
    """A file of a local model folder or of the hub's cache on this machine; None when it is on the hub only."""
    local = Path(path).expanduser() / name
    if local.is_file():
        return local
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    found = sorted(hub.glob(f"models--{path.replace('/', '--')}/snapshots/*/{name}"))
    return found[-1] if found else None


def _config_file(path: str) -> dict[str, object] | None:
    file = cached_file(path, "config.json")
    return json.loads(file.read_text(encoding="utf-8")) if file else None


def _from_config(config: dict[str, object]) -> Shape | None:
    try:
        hidden, heads = int(str(config["hidden_size"])), int(str(config["num_attention_heads"]))
        return Shape(
            family=str(config["model_type"]),
            layers=int(str(config["num_hidden_layers"])),
            hidden=hidden,
            heads=heads,
            kv_heads=int(str(config.get("num_key_value_heads") or heads)),
            intermediate=int(str(config["intermediate_size"])),
            vocab=int(str(config["vocab_size"])),
            tied=bool(config.get("tie_word_embeddings", False)),
            head_dim=int(str(config.get("head_dim") or hidden // heads)),
        )
    except (KeyError, ValueError):
        return None


def on_accelerator() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()
