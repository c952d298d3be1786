"""Cards: recipes/, judges/ and evals/ are YAML; judge and eval cards are read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sgpo_cli.errors import RecipeError
from sgpo_cli.recipe.evalcard import EvalCard
from sgpo_cli.recipe.find import find_card
from sgpo_cli.recipe.judgecards import JudgeCard
from sgpo_cli.recipe.lookup import look
from sgpo_cli.recipe.nodes import Findings, Node, Place, shown
from sgpo_cli.recipe.rules.judgecard import check_judge_card
from sgpo_cli.recipe.walker import BAD, read
from sgpo_cli.recipe.yamlio import read_file


def load_judge_card(name: str | Path) -> JudgeCard:
    """The judge card of that name or path; `RecipeError` with all its mistakes."""
    path = find_card("judges", name)
    findings = Findings()
    tree = read_file(path, findings)
    check_judge_card(tree, findings, path)
    card: JudgeCard = _read_card(JudgeCard, tree, path, findings, "judge card")
    return card


def load_eval_card(name: str | Path) -> EvalCard:
    """The eval card of that name or path; `RecipeError` with all its mistakes.

    Its name defaults to the file's stem; a relative `file` is taken from the current directory, else from the card's,
    and is absolute in the result.
    """
    path = find_card("evals", name)
    findings = Findings()
    tree = read_file(path, findings)
    assert isinstance(tree.value, dict)
    tree.value.setdefault("name", Node(path.stem, Place(file=path)))
    local = tree.value.get("file")
    if local is not None and isinstance(local.value, str):
        tree.value["file"] = Node(_local_file(local, path.parent, findings), local.place)
    _check_eval_card(tree, findings)
    card: EvalCard = _read_card(EvalCard, tree, path, findings, "eval card")
    return card


def _local_file(node: Node, beside: Path, findings: Findings) -> str:
    text = str(node.value)
    found = look(text, [Path.cwd(), beside])
    if found is not None:
        return str(found)
    looked = f"looked in {shown(Path.cwd())} and {shown(beside)}"
    findings.add("file", f"no such file: {text}", node.place, f"{looked}; name a JSONL file that exists")
    return text


def _check_eval_card(tree: Node, findings: Findings) -> None:
    assert isinstance(tree.value, dict)
    origins = {key: tree.child(key) for key in ("hub", "file", "task")}
    given = [key for key, child in origins.items() if child is not None and child.value is not None]
    if len(given) != 1:
        what = f"an eval card has exactly one of hub, file and task, not {' and '.join(given) or 'none'}"
        findings.add("hub", what, tree.value[given[-1]].place if given else tree.place)
    prompt = tree.child("prompt")
    if prompt is not None and isinstance(prompt.value, str) and "{problem}" not in prompt.value:
        fix = "write {problem} where the problem belongs"
        findings.add("prompt", "prompt does not hold {problem}", prompt.place, fix)


def _read_card(hint: Any, tree: Node, path: Path, findings: Findings, label: str) -> Any:
    value = read(hint, tree, findings)
    if findings.found or value is BAD:
        raise RecipeError(findings.mistakes([path]), title=f"{label} {path.stem} has mistakes")
    return value
