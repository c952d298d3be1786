"""Every command in README and docs is executed, as written but for the length of training runs."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest

from tests.tiny import REPOSITORY, SHORT, SHORT_SGPO, sgpo_here

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def commands(document: Path) -> list[list[str]]:
    """The lines after `$` of the document's console blocks, without their comments."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(), flags=re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True) for line in lines]


def shown(document: Path) -> dict[str, str]:
    """What the document shows under a command, by the command's line; most show nothing."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(), flags=re.DOTALL)
    parts = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return {shlex.join(shlex.split(line, comments=True)): output for line, _, output in parts if output.strip()}


def shortened(words: list[str]) -> list[str]:
    """The same command on a run of four steps instead of a hundred."""
    if words[1] == "train" and "--smoke" not in words:
        return [*words, *(SHORT_SGPO if "sgpo" in words[2] else SHORT)]
    return ["2" if before == "--step" else word for before, word in zip(["", *words], words, strict=False)]


WITH_COMMANDS = [document for document in DOCUMENTS if commands(document)]


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda path: path.name)
def test_every_command_runs(document: Path, finished: Path, tmp_path: Path) -> None:
    for name in ("docs", "recipes", "judges", "evals"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    shutil.copytree(finished / "runs", tmp_path / "runs", symlinks=True)
    for words in commands(document):
        if words == ["source", ".venv/bin/activate"]:
            continue
        assert words[0] == "sgpo", f"{document.name}: not a command that this test can run: {words}"
        told = sgpo_here(*shortened(words)[1:], cwd=tmp_path)
        assert told.returncode == 0, (shlex.join(words), told.stdout, told.stderr)
        assert told.stdout.strip()
        said = shown(document).get(shlex.join(words), "")
        assert " ".join(said.split()) in " ".join(told.stdout.split()), (document.name, told.stdout)


def test_the_table_of_recipes_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    script = runpy.run_path(str(REPOSITORY / "benchmarks" / "recipe_needs.py"))
    begin, end = script["MARKS"]
    shown = (REPOSITORY / "docs" / "recipes.md").read_text().partition(begin)[2].partition(end)[0]
    assert shown.strip().splitlines() == script["table"](), "run: python benchmarks/recipe_needs.py --table"
    assert all(f"[{path.stem}](../recipes/{path.name})" in shown for path in (REPOSITORY / "recipes").glob("*.yaml"))


def test_the_readme_names_the_two_commands() -> None:
    readme = DOCUMENTS[0].read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in readme and f"\n{target}:" in makefile
    assert "recipes/tiny_sgpo.yaml" in makefile


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_yaml_in_the_documents_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sgpo_cli.recipe.load import load_recipe

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_problems.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
    (tmp_path / "my_labels.jsonl").write_text("{}\n")
    found = 0
    for document in DOCUMENTS:
        for block in re.findall(r"```yaml\n(.*?)```", document.read_text(), flags=re.DOTALL):
            (tmp_path / "doc.yaml").write_text(block)
            load_recipe("./doc.yaml")
            found += 1
    assert found >= 2
