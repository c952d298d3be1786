"""What the shipped recipes need, from `sgpo plan`: into each recipe's comment, and the table of docs/recipes.md.

    python benchmarks/recipe_needs.py             estimates and writes both
    python benchmarks/recipe_needs.py --table     the table only, from the recipes as they are

Run it after a change to the estimates or to a recipe; nothing is trained, and no GPU is needed: each recipe is planned
for the accelerator that its launch.device names. Recipes of the built-in task keep the times that were measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from document import put

from sgpo_cli.pipeline.plan import as_json, compile_recipe
from sgpo_cli.recipe.find import Card, list_cards
from sgpo_cli.recipe.load import load_recipe
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.files import write_text

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "recipes.md"
MARKS = ("<!-- recipes: begin, from benchmarks/recipe_needs.py -->", "<!-- recipes: end -->")
LINE = re.compile(r"^# Memory and time: .*(?:\n# {5}.*)*$", re.MULTILINE)
OTHER = "rtx4090-24gb"


def shipped() -> list[Card]:
    """The repository's own recipes, by name."""
    return [card for card in list_cards("recipes") if card.path.parent == ROOT / "recipes"]


def estimated(name: str, *overrides: str) -> tuple[float, str, str] | None:
    """GiB a device at most, hours up to the trained policy, hours to measure it; None where a stage has no estimate."""
    stages = as_json(compile_recipe(load_recipe(name, overrides)))["stages"]
    told = {stage["kind"]: stage["estimate"] for stage in stages if stage["kind"] != "report"}
    if any(not estimate.get("seconds") or not estimate.get("memory_gib") for estimate in told.values()):
        return None
    memory = max(estimate["memory_gib"] for estimate in told.values())
    trains = [estimate["seconds"] for kind, estimate in told.items() if kind != "eval"]
    return memory, _hours(trains), _hours([told["eval"]["seconds"]])


def needs_line(name: str, device: str) -> str:
    """The comment line of a recipe that is planned for `device`."""
    found = estimated(name)
    if found is None:
        return f"# Memory and time: `sgpo plan` has no estimate for {device}."
    memory, trains, measures = found
    first = f"# Memory and time: about {memory:.0f} GiB a device, {trains} hours to train and {measures} to measure;"
    return f"{first}\n#     roughly, by `sgpo plan` for {device}; the upper figures are for answers of full length."


def _hours(spans: Sequence[Sequence[float]]) -> str:
    low, high = (sum(span[at] for span in spans) / 3600 for at in (0, 1))
    return f"{_short(low)} to {_short(high)}"


def _short(hours: float) -> str:
    """Two figures at most."""
    return f"{hours:.1f}" if hours < 10 else f"{float(f'{hours:.1e}'):,.0f}"


def refresh() -> None:
    """Writes the line of each recipe that names a device; refuses when estimates do not depend on the device."""
    if estimated("qwen7b_sgpo") == estimated("qwen7b_sgpo", f"launch.device={OTHER}"):
        sys.exit("sgpo plan does not estimate for launch.device: there is nothing to write")
    for card in shipped():
        recipe = load_recipe(card.path).recipe
        if recipe.launch.device is None:
            continue
        text = card.path.read_text(encoding="utf-8")
        if not LINE.search(text):
            sys.exit(f"{card.path.name} has no line '# Memory and time: ...'")
        write_text(card.path, LINE.sub(needs_line(card.name, recipe.launch.device), text, count=1))


def method(recipe: Recipe) -> str:
    """What the recipe does, in the papers' words."""
    named = {"stepwise": "SGPO", "none": ""}[recipe.rescue.kind]
    guided = {"none": "", "adaptive": "G2RPO-A", "judged": "judged guidance"}.get(
        recipe.guidance.kind, f"guidance {recipe.guidance.kind}"
    )
    found = " + ".join(part for part in (named, guided) if part) or "GRPO"
    return found + (", offline" if recipe.offline is not None else "") + (", LoRA" if recipe.model.lora else "")


def needs(card: Card) -> str:
    """The recipe's own words: what follows `# Needs:`, up to the end of its first sentence."""
    head = card.path.read_text(encoding="utf-8").partition("\nname:")[0]
    words = " ".join(line.lstrip("# ") for line in head[head.index("# Needs:") :].splitlines())
    return re.split(r"(?<=[a-z0-9\)B])[.:;] ", words.removeprefix("Needs: ") + " ")[0].rstrip(".")


def table() -> list[str]:
    """The recipes as Markdown: the name, what it is, model, method, needs."""
    lines = ["| recipe | model | method | judge | needs |", "|---|---|---|---|---|"]
    for card in shipped():
        recipe = load_recipe(card.path).recipe
        model = recipe.model.path.rpartition("/")[2] if recipe.model.path else "a tiny one, from nothing"
        judge = recipe.judge.card if recipe.judge is not None else ""
        link = f"[{card.name}](../recipes/{card.path.name})"
        lines.append(f"| {link} | {model} | {method(recipe)} | {judge} | {needs(card)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="write the table only")
    if not parser.parse_args().table:
        refresh()
    put(DOCUMENT, table(), MARKS)


if __name__ == "__main__":
    main()
