"""What of a model's folder its samples depend on, without reading gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgpo_cli.pipeline.export import EXPORTED_RECIPE
from sgpo_cli.pipeline.fingerprint import content_hash

_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack"}
_READ_BYTES = 64 << 20
_SILENT = {"training_args.bin", "trainer_state.json", "optimizer.pt", "scheduler.pt", EXPORTED_RECIPE}
"""Files that nothing reads which samples. How an exported recipe asks is told apart by whoever reads it."""
_TEXTS = {".md", ".png", ".jpg", ".pdf", ".log"}


def sampling_files(folder: Path) -> dict[str, Any] | None:
    """File name -> hash of its content, of weights [bytes, time of change in ns]; None where there is no such folder.

    Weights, config, generation config, tokenizer, chat templates (`additional_chat_templates/` too) and code of the
    model's own; not its description, nor what a trainer left for itself.
    """
    if not folder.is_dir():
        return None
    files = [path for path in folder.iterdir() if path.is_file()] + list(folder.glob("*/*.jinja"))
    return {str(path.relative_to(folder)): _mark(path) for path in sorted(files) if _counts(path)}


def _counts(path: Path) -> bool:
    if path.name.startswith((".", "LICENSE", "rng_state")) or path.name in _SILENT:
        return False
    return path.suffix.lower() not in _TEXTS


def _mark(path: Path) -> str | list[int]:
    told = path.stat()
    if path.suffix.lower() in _WEIGHTS or told.st_size > _READ_BYTES:
        return [told.st_size, told.st_mtime_ns]
    return content_hash(path)
