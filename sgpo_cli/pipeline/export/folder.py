"""`sgpo export`: a folder as the hub wants it, from a run's files; nothing is loaded, so no heavy library is needed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpo_cli.display.facts import gather
from sgpo_cli.errors import UserError
from sgpo_cli.pipeline.export import EXPORTED_RECIPE
from sgpo_cli.pipeline.export.card import Origin, model_card
from sgpo_cli.pipeline.export.which import Which, choose
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.files import make_dir, read_json, remove_tree, write_json, write_text, writing
from sgpo_cli.runs.rundir import RunDir

_POLICY = ("config.json", "generation_config.json", "*.safetensors", "model.safetensors.index.json")
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_TOKENIZER = (
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "*.model", "*.jinja", "*.py",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    run: str
    out: Path
    which: Which
    step: int | None
    adapter: bool
    files: list[str]
    bytes: int
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "out": str(self.out),
            "policy": self.which,
            "step": self.step,
            "adapter": self.adapter,
            "files": self.files,
            "bytes": self.bytes,
            "notes": self.notes,
        }


def export_run(run: RunDir, out: Path, *, which: Which | None, adapter: bool, overwrite: bool) -> Exported:
    """Writes `out`, complete or not at all: weights, tokenizer, model card, the resolved recipe, the figures.

    Raises:
        UserError: nothing to export (see choose), adapters of a policy that is nowhere on the hub, or an `out` that
            exists (with `overwrite`: that is no export).
    """
    _refuse_taken(out, overwrite)
    recipe = load_recipe(run.recipe, check=False).recipe
    chosen = choose(run, which, adapter=adapter, lora=recipe.model.lora is not None)
    origin = Origin.of(recipe)
    if adapter and not origin.adapts_hub:
        told = "after its warm-up" if recipe.warmup.kind != "none" else "on this machine"
        what = f"these adapters belong to a policy that nobody else has: {origin.base or 'random weights'} {told}"
        raise UserError(what, fix="leave out --adapter: the merged policy stands alone")
    make_dir(out.parent)
    with writing(out):
        beside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            beside.chmod(0o755)
            _fill(beside, run, recipe, chosen.folder, adapter=adapter)
            facts = gather(run)
            text = model_card(facts, recipe, chosen, origin, read_json(run.env) if run.env.exists() else {})
            write_text(beside / "README.md", text)
            if out.exists():
                remove_tree(out)
            beside.rename(out)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return Exported(
        run.name,
        out,
        chosen.which,
        chosen.step,
        adapter,
        [str(path.relative_to(out)) for path in files],
        sum(path.stat().st_size for path in files),
        _notes(recipe),
    )


def _refuse_taken(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    ours = (out / EXPORTED_RECIPE).is_file()
    if not overwrite or not ours:
        fix = "choose another with --out" + (", or replace it with --overwrite" if ours else "")
        raise UserError(f"{out} exists{'' if ours else ' and is no export of sgpo'}", fix=fix)


def _fill(beside: Path, run: RunDir, recipe: Recipe, source: Path, *, adapter: bool) -> None:
    """Copies by name: what a checkpoint holds beside the policy (optimizer, random state) stays behind."""
    for pattern in _ADAPTER if adapter else _POLICY:
        for path in sorted(source.glob(pattern)):
            shutil.copy2(path, beside / path.name)
    spoken = source if not adapter or list(source.glob("tokenizer*")) else run.stage("train").final
    for pattern in _TOKENIZER:
        for path in sorted(spoken.glob(pattern)):
            shutil.copy2(path, beside / path.name)
    if adapter:
        config = read_json(beside / "adapter_config.json")
        base = {"base_model_name_or_path": recipe.model.path, "revision": recipe.model.revision}
        write_json(beside / "adapter_config.json", {**config, **base})
    shutil.copy2(run.recipe, beside / EXPORTED_RECIPE)
    for summary in run.summaries():
        # Where the policy lay on this disk is of no use to others.
        write_json(beside / "eval" / f"{summary['bench']}.json", {**summary, "model": run.name})


def _notes(recipe: Recipe) -> list[str]:
    """What the person should know before others see the folder."""
    notes = ["README.md names no license: add `license:` to its head before you publish"]
    places = [recipe.model.path, recipe.data.source, recipe.model.chat_template]
    local = [place for place in places if place is not None and Path(place).is_absolute()]
    if local:
        notes.append(f"{EXPORTED_RECIPE} names files of this machine: {', '.join(local)}")
    return notes
