"""What `sgpo eval` and `sgpo compare` refuse, and how: before anything is measured, with what to type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.cli.main import main
from sgpo_cli.runs.files import write_json

CARD = "# Sums.\nfile: sums.jsonl\ncolumns: {id: id}\nrows: 2\nk: 2\n"
SUMS = [{"id": f"p{n}", "problem": f"{n} + 1?", "answer": str(n + 1)} for n in range(2)]


def write(file: str, rows: list[dict[str, Any]]) -> None:
    Path(file).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def sums(here: Path) -> Path:
    (here / "sums.yaml").write_text(CARD)
    write("sums.jsonl", SUMS)
    write("made.jsonl", [{"id": "p0", "response": "\\boxed{1}"}])
    (here / "model").mkdir()
    (here / "model/config.json").write_text("{}")
    return here


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """What the command says, on one line of single blanks."""
    capsys.readouterr()
    found = main(list(arguments))
    said = capsys.readouterr()
    assert found == code, said
    return " ".join((said.err if code else said.out).split())


EVAL = ("eval", "--bench", "./sums.yaml")
OF_MODEL = (*EVAL, "--model", "model")
RESPONSES = (*EVAL, "--responses", "made.jsonl")


def test_a_plan_refuses_what_the_run_would(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("short.jsonl", SUMS[:1])
    write("strange.jsonl", [{"id": "p9", "response": "1"}])
    wrong = {
        (*OF_MODEL, "--file", "none.jsonl"): "no such file: none.jsonl",
        (*OF_MODEL, "--file", "short.jsonl"): "should have 2 problems, found 1",
        (*OF_MODEL, "--temperature", "0"): "draws the same answer 2 times",
        (*EVAL, "--responses", "none.jsonl"): "no such file: none.jsonl",
        (*EVAL, "--responses", "strange.jsonl"): "strange.jsonl:1: this row is not in bench sums",
        ("eval", "--bench", "./sums.yaml,./sums.yaml", "--model", "model"): "bench sums is named twice",
    }
    for command, words in wrong.items():
        assert words in told(capsys, *command, "--plan"), command
    assert "2 problems x k=2" in told(capsys, *OF_MODEL, "--plan", code=0)
    assert not Path("runs").exists(), "a plan leaves nothing"


def test_a_judges_plan_reads_its_file_as_the_run_would(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("eval", "--bench", "processbench", "--judge", "arithmetic", "--plan", "--file", "rows.jsonl")
    write("rows.jsonl", [{"problem": "1 + 1?", "steps": ["1 + 1 = 2"], "first_error": -1}])
    assert "judge: arithmetic" in told(capsys, *command, code=0)
    Path("rows.jsonl").write_text(Path("rows.jsonl").read_text() + '{"x":\n')
    assert "rows.jsonl:2: not JSON" in told(capsys, *command)


def test_a_plan_of_responses_shows_no_sampling(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, *RESPONSES, "--plan", code=0)
    assert "1 response to 1 of 2 problems" in said and "temperature" not in said and "k=" not in said
    (bench,) = json.loads(told(capsys, *RESPONSES, "--plan", "--json", code=0))["benchmarks"]
    assert bench["responses"] == {"rows": 1, "answered": 1} and not bench.keys() & {"k", "temperature", "rendered"}


def test_a_run_refuses_a_file_that_is_not_there_at_once(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file: none.jsonl" in told(capsys, *RESPONSES, "--file", "none.jsonl")


def test_another_number_of_rows_says_what_can_be_typed(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "eval", "--bench", "aime24", "--file", "sums.jsonl", "--model", "model", "--plan")
    assert "should have 30 problems, found 2" in said
    assert "cp " in said and "aime24.yaml my_aime24.yaml" in said and "--bench ./my_aime24.yaml" in said
    write("three.jsonl", [*SUMS, {"id": "p2", "problem": "x", "answer": "1"}])
    assert "set `rows: 3` in the card" in told(capsys, *OF_MODEL, "--file", "three.jsonl", "--plan")


@pytest.mark.parametrize("option", ["--seed 0", "--k 2", "--key-env X", "--max-new-tokens 3"])
def test_options_that_would_change_nothing(sums: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    said = told(capsys, *RESPONSES, *option.split())
    assert f"{option.split()[0]} would change nothing" in said
    judge = told(capsys, "eval", "--bench", "processbench", "--judge", "arithmetic", *option.split())
    assert f"{option.split()[0]} would change nothing" in judge


def test_a_field_without_responses(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--response-field would change nothing" in told(capsys, *OF_MODEL, "--response-field", "x")


@pytest.mark.parametrize("plan", [[], ["--plan"]])
def test_files_that_cannot_be_written_are_found_first(
    sums: Path, capsys: pytest.CaptureFixture[str], plan: list[str]
) -> None:
    (sums / "a_file").write_text("")
    assert "--export . is a directory" in told(capsys, *RESPONSES, "--export", ".", *plan)
    assert "--save-responses: cannot write a_file/x" in told(capsys, *OF_MODEL, "--save-responses", "a_file/x", *plan)
    both = ["--save-responses", "x.json", "--export", "./x.json", *plan]
    assert "would both write" in told(capsys, *OF_MODEL, *both)
    assert not Path("runs").exists() and {path.name for path in sums.iterdir()} == {
        "sums.yaml", "sums.jsonl", "made.jsonl", "model", "a_file",
    }  # fmt: skip


def evaluation(home: str, bench: str) -> None:
    summary = {"bench": bench, "k": 1, "avg_at_k": 0.5, "ci95": [0.1, 0.9]}
    write_json(Path(home, bench, "summary.json"), summary)
    rows = [{"id": "a", "correct": True}, {"id": "b", "correct": False}]
    write(f"{home}/{bench}/samples.jsonl", rows)


def test_compare_of_one_with_itself_and_of_strangers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation("one", "aime24")
    evaluation("two", "hops")
    assert "one is named twice" in told(capsys, "compare", "one", "one")
    assert "one and ./one are one" in told(capsys, "compare", "one", "./one")
    said = told(capsys, "compare", "one", "two", code=0)
    assert "one and two have no benchmark in common (one has aime24; two has hops)" in said
    document = json.loads(told(capsys, "compare", "one", "two", "--json", code=0))
    assert document["no_common_bench"] == [["one", "two"]]
    evaluation("two", "aime24")
    assert "in common" not in told(capsys, "compare", "one", "two", code=0)


def test_the_hub_out_of_reach_says_which_option(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The errors of the HTTP library that huggingface_hub uses are no OSError."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    (unlike_os,) = [base for base in HfHubHTTPError.__bases__ if not issubclass(base, OSError)]

    def refuse(*_: object, **__: object) -> None:
        raise unlike_os("Name or service not known")

    monkeypatch.setattr(HfApi, "dataset_info", refuse)
    said = told(capsys, "eval", "--bench", "processbench", "--judge", "arithmetic", "--out", "pb")
    assert "Name or service not known" in said and "--file FILE" in said and "Traceback" not in said
