"""Rows from JSONL, saved folders and a local directory in the hub id's place; every mistake names its place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.data.rows import Row, load_rows, split_heldout
from sgpo_cli.errors import UserError
from sgpo_cli.recipe.evalcard import EvalColumns
from sgpo_cli.recipe.schema import Columns


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_jsonl_with_mapped_columns(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"q": "1+1?", "gold": 2, "why": "count", "level": 3, "tag": "x"}, "")
    mapping = Columns(problem="q", answer="gold", solution="why", difficulty="level")
    assert load_rows(file, columns=mapping) == [Row("0", "1+1?", "2", "count", 3.0, {"tag": "x"})]


def test_eval_columns_bring_ids_and_aliases(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"id": 7, "problem": "p", "answer": "033", "also": ["33", 33]})
    (row,) = load_rows(str(file), columns=EvalColumns(id="id", aliases="also"))
    assert (row.id, row.answer, row.extra["aliases"]) == ("7", "033", ["33", "33"])


@pytest.mark.parametrize(
    ("lines", "columns", "place", "words"),
    [
        (['{"problem": "p", "answer": 1}', '{"problem": '], Columns(), ":2", "not JSON"),
        (['{"problem": "p", "answer": 1}', "[1, 2]"], Columns(), ":2", "JSON object"),
        (['{"problm": "p", "answer": 1}'], Columns(), ":1", "did you mean 'problm'"),
        (['{"problem": "p"}'], Columns(), ":1", "no column 'answer'"),
        (['{"id": "a7", "problem": " ", "answer": 1}'], Columns(id="id"), ":1 (id a7)", "no problem"),
        (['{"problem": null, "answer": 1}'], Columns(), ":1", "no problem"),
        (['{"problem": "p", "d": "hard"}'], Columns(answer=None, difficulty="d"), ":1", "must hold numbers"),
        (['{"problem": "p", "d": true}'], Columns(answer=None, difficulty="d"), ":1", "must hold numbers"),
        (['{"problem": "p", "d": NaN}'], Columns(answer=None, difficulty="d"), ":1", "must hold finite numbers"),
        (['{"problem": "p", "d": -Infinity}'], Columns(answer=None, difficulty="d"), ":1", "must hold finite numbers"),
        (['{"problem": "p", "d": "inf"}'], Columns(answer=None, difficulty="d"), ":1", "must hold finite numbers"),
        (['{"problem": "p", "answer": "\\uDC00"}'], Columns(), ":1", "half of a surrogate pair"),
        (['{"problem": "p", "answer": 1, "\\ud800": 2}'], Columns(), ":1", "half of a surrogate pair"),
        (["[" * 100_000], Columns(), ":1", "nested too deeply"),
        ([f'{{"problem": "p", "answer": {"1" * 5000}}}'], Columns(), ":1", "a number is too long"),
        (['{"i": 1, "problem": "p"}'] * 2, Columns(answer=None, id="i"), ":2", "two rows have the id '1'"),
        (["", "  "], Columns(), "", "no rows"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, lines: list[str], columns: Columns, place: str, words: str) -> None:
    file = write(tmp_path / "bad.jsonl", *lines)
    with pytest.raises(UserError) as caught:
        load_rows(file, columns=columns)
    assert caught.value.where == f"{file}{place}"
    assert words in caught.value.what


def test_limit_stops_before_a_broken_line(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"problem": "p", "answer": "1"}, "broken")
    assert len(load_rows(file, limit=1)) == 1


def test_a_binary_file_is_no_jsonl(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8") as caught:
        load_rows(file)
    assert str(tmp_path) in str(caught.value.fix)


def test_jsonl_imports_nothing_heavy(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"problem": "p", "answer": "1"})
    code = (
        "import sys; from sgpo_cli.data.rows import load_rows; import sgpo_cli.data.hops; "
        f"load_rows({str(file)!r}); "
        "print(sorted({'torch','datasets','pandas','numpy','transformers','tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datasets = pytest.importorskip("datasets")
    root = tmp_path_factory.mktemp("sets")
    rows = datasets.Dataset.from_list([{"problem": f"p{i}", "answer": i} for i in range(5)])
    rows.save_to_disk(str(root / "one"))
    datasets.DatasetDict({"train": rows, "test": rows.select([4])}).save_to_disk(str(root / "both"))
    (root / "owner" / "name").mkdir(parents=True)
    rows.to_parquet(str(root / "owner" / "name" / "train.parquet"))
    rows.select([1, 2]).to_json(str(root / "owner" / "name" / "extra.jsonl"))
    (root / "owner" / "lines").mkdir()
    rows.select([3]).to_json(str(root / "owner" / "lines" / "test.jsonl"))
    return root


def test_saved_folders(folders: Path) -> None:
    assert [row.problem for row in load_rows(folders / "one", split="whatever")] == ["p0", "p1", "p2", "p3", "p4"]
    assert load_rows(folders / "both", split="test") == [Row("0", "p4", "4")]
    with pytest.raises(UserError, match=r"did you mean 'train'.*splits here: train, test"):
        load_rows(folders / "both", split="trian")


def test_a_directory_in_the_hub_ids_place(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folders / "cache"))
    (folders / "owner" / "name" / "extra.jsonl").unlink(missing_ok=True)
    assert [row.answer for row in load_rows("owner/name", limit=3)] == ["0", "1", "2"]
    assert load_rows("owner/lines", split="test")[0].problem == "p3"
    with pytest.raises(UserError, match=r"there is no split 'train'.*splits here: test"):
        load_rows("owner/lines", split="train")
    with pytest.raises(UserError, match=r"owner/name row 0.*there is no column 'solution'"):
        load_rows("owner/name", columns=Columns(solution="solution"))


def test_the_hub_out_of_reach_says_what_can_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'owner/none' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(UserError, match="Couldn't reach") as caught:
        load_rows("owner/none")
    assert "data.source=FILE" in str(caught.value.fix)
    with pytest.raises(UserError, match="no such file or folder"):
        load_rows("./nowhere/at/all.jsonl")


def test_a_broken_file_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"problem": "p"}\n{"problem": \n')
    with pytest.raises(UserError):
        load_rows(tmp_path / "set", columns=Columns(answer=None))


@given(st.lists(st.integers(0, 6), min_size=4, max_size=30), st.integers(0, 9))
def test_heldout_is_apart_and_repeatable(texts: list[int], seed: int) -> None:
    rows = [Row(str(number), f"p{text}") for number, text in enumerate(texts)]
    different = len(set(texts))
    n = different // 2
    train, heldout = split_heldout(rows, n, seed)
    assert len(heldout) == n and len({row.problem for row in heldout}) == n
    assert not {row.problem for row in train} & {row.problem for row in heldout}
    assert (train, heldout) == split_heldout(rows, n, seed)
    assert [row for row in rows if row in train] == train
    with pytest.raises(UserError):
        split_heldout(rows, different, seed)


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"problem": "\\ud83d\\ude00", "answer": "1"}')
    assert load_rows(file)[0].problem == "\U0001f600"


def test_one_different_problem_is_worded_as_one() -> None:
    with pytest.raises(UserError, match="sets 1 problem aside, but there is only 1"):
        split_heldout([Row("0", "p"), Row("1", "p")], 1)
