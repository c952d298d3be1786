"""Where rows may come from: parquet, folders of `datasets`, streams, other columns; and that rows stay as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.labelling import hub
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.counts import LabelSummary
from sgpo_cli.judging.labelling.hub import Saved, Streamed
from sgpo_cli.judging.labelling.items import Rows
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.label import Output, label
from sgpo_cli.judging.labelling.parquet import Parquet
from sgpo_cli.judging.verdict import Solution, Verdict

ROWS = 3000


class Recorder:
    """Says that step 1 is wrong; remembers what it was shown; stops when told to."""

    name = "recorder"

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[Solution] = []
        self.stop_after = stop_after

    def judge(self, solutions: Sequence[Solution]) -> list[Verdict]:
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen.extend(solutions)
        return [Verdict.found(min(1, len(s.steps) - 1), num_steps=len(s.steps), judge=self.name) for s in solutions]


def rows(count: int = ROWS) -> list[dict[str, Any]]:
    """Every kind of value that JSON lines can carry."""
    return [
        {
            "problem": f"p{i} é \U0001f600",
            "steps": ["a", f"b{i}"],
            "n": 2**53 + i,
            "x": i / 3,
            "none": None,
            "maybe": i if i % 2 else None,
            "deep": {"list": [[i], []], "text": "\u2028"},
            "first_error": 1 if i % 2 else None,
        }
        for i in range(count)
    ]


def judged(source: Rows, out: Path, judge: Recorder | None = None, **more: Any) -> LabelSummary:
    options: dict[str, Any] = {"fingerprint": "f", "on_progress": lambda _: None, **more}
    return label(source, Output.named(str(out)), judge or Recorder(), **options)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_jsonl(path: Path, what: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in what))
    return path


def write_parquet(path: Path, what: list[dict[str, Any]], **more: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(what), path, **more)
    return path


def saved(path: Path, what: list[dict[str, Any]]) -> Path:
    from datasets import Dataset

    Dataset.from_list(what).save_to_disk(str(path))
    return path


@pytest.fixture(params=["jsonl", "parquet", "saved", "streamed"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Rows:
    if request.param == "jsonl":
        return JsonLines(write_jsonl(tmp_path / "in.jsonl", rows()))
    if request.param == "parquet":
        return Parquet(write_parquet(tmp_path / "in.parquet", rows(), row_group_size=700))
    if request.param == "saved":
        return Saved(saved(tmp_path / "in", rows()))
    (tmp_path / "data").mkdir()
    write_parquet(tmp_path / "data/part-0.parquet", rows()[:1000])
    write_parquet(tmp_path / "data/part-1.parquet", rows()[1000:])
    return Streamed(str(tmp_path / "data"))


def test_every_source_gives_the_same_rows_unchanged(source: Rows, tmp_path: Path) -> None:
    judge = Recorder()
    summary = judged(source, tmp_path / "out.jsonl", judge)
    assert summary.total == ROWS and summary.counts.labels.n_error == ROWS // 2
    assert [solution.problem for solution in judge.seen] == [row["problem"] for row in rows()]
    for given, row in zip(rows(), read(tmp_path / "out.jsonl"), strict=True):
        verdict = row.pop("verdict")
        assert row == given and verdict["first_error"] == 1
        assert [type(row[name]) for name in given] == [type(value) for value in given.values()]


def test_every_source_resumes_where_it_was_and_parts_into_shards(source: Rows, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        judged(source, out, Recorder(stop_after=1500))
    judge = Recorder()
    summary = judged(source, out, judge)
    assert summary.resumed == 1536 and judge.seen[0].problem == rows()[1536]["problem"]
    assert [row["n"] for row in read(out)] == [row["n"] for row in rows()]
    again = Recorder()
    assert judged(source, out, again).complete and not again.seen
    for index in range(7):
        judged(source, tmp_path / "shard.jsonl", shard=(index, 7))
        assert [row["n"] for row in read(tmp_path / "shard.jsonl")] == [row["n"] for row in rows()][index::7]
        (tmp_path / "shard.jsonl").unlink()


def test_the_same_rows_anew_are_another_input(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "in.parquet", rows(5))
    judged(Parquet(path), tmp_path / "out.jsonl")
    write_parquet(path, rows(6))
    with pytest.raises(UserError, match="not of this input"):
        judged(Parquet(path), tmp_path / "out.jsonl")


# --- rows that cannot be judged -------------------------------------------------------------------------------------


def test_a_bad_row_of_a_table_is_named_and_what_was_judged_before_is_kept(tmp_path: Path) -> None:
    bad = rows(100)
    bad[90]["problem"] = " "
    path = write_parquet(tmp_path / "in.parquet", bad)
    with pytest.raises(UserError, match="no problem") as caught:
        judged(Parquet(path), tmp_path / "out.jsonl")
    assert caught.value.where == f"{path} row 90"
    assert len(read(tmp_path / "out.jsonl.partial")) == 90


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([1], pa.timestamp("us")), "timestamp"),
        (pa.array([b"x"]), "binary"),
        (pa.array([[{"when": 1}]], pa.list_(pa.struct([("when", pa.date32())]))), "date32"),
    ],
)
def test_types_that_json_lines_cannot_carry_are_told_before_judging(
    tmp_path: Path, column: pa.Array, says: str
) -> None:
    table = pa.table({"problem": ["p"], "steps": [["a"]], "odd": column})
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(UserError, match=f"'odd' holds .*{says}"):
        judged(Parquet(tmp_path / "in.parquet"), tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out*"))


def test_files_that_are_not_what_they_are_called(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.parquet", rows(3))
    with pytest.raises(UserError, match="cannot read it as parquet"):
        judged(Parquet(tmp_path / "in.parquet"), tmp_path / "out.jsonl")
    write_parquet(tmp_path / "in.jsonl", rows(3))
    with pytest.raises(UserError, match="is parquet, not JSON lines"):
        judged(JsonLines(tmp_path / "in.jsonl"), tmp_path / "out.jsonl")
    with pytest.raises(UserError, match="no such file"):
        judged(Parquet(tmp_path / "none.parquet"), tmp_path / "out.jsonl")
    whole = write_parquet(tmp_path / "torn.parquet", rows(3)).read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot read it as parquet"):
        judged(Parquet(tmp_path / "torn.parquet"), tmp_path / "out.jsonl")


def test_text_that_is_not_utf8_in_a_table_is_a_sentence(tmp_path: Path) -> None:
    text = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"p\xff\xfe"))
    pq.write_table(pa.table({"problem": text, "steps": [["a"], ["a"]]}), tmp_path / "in.parquet")
    with pytest.raises(UserError, match="not UTF-8"):
        judged(Parquet(tmp_path / "in.parquet"), tmp_path / "out.jsonl")


# --- data sets ------------------------------------------------------------------------------------------------------


def test_splits_of_a_saved_folder(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    splits = {"train": Dataset.from_list(rows(4)), "test": Dataset.from_list(rows(9)[4:])}
    DatasetDict(splits).save_to_disk(str(tmp_path / "in"))
    judged(Saved(tmp_path / "in"), tmp_path / "train.jsonl")
    judged(Saved(tmp_path / "in", split="test"), tmp_path / "test.jsonl")
    assert [len(read(tmp_path / f"{name}.jsonl")) for name in ("train", "test")] == [4, 5]
    with pytest.raises(UserError, match="no split 'tset'") as caught:
        judged(Saved(tmp_path / "in", split="tset"), tmp_path / "o.jsonl")
    assert caught.value.fix and "train, test" in caught.value.fix
    with pytest.raises(UserError, match="one split"):
        judged(Saved(saved(tmp_path / "one", rows(2)), split="train"), tmp_path / "o.jsonl")


def test_a_saved_choice_of_rows_is_read_in_its_own_order(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_list(rows(10)).select([7, 2, 5]).save_to_disk(str(tmp_path / "in"))
    judged(Saved(tmp_path / "in"), tmp_path / "out.jsonl")
    assert [row["n"] - 2**53 for row in read(tmp_path / "out.jsonl")] == [7, 2, 5]


def test_the_hub_is_streamed_at_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network here: the hub's answers are put in its place, the stream is real."""
    import datasets

    (tmp_path / "data").mkdir()
    write_parquet(tmp_path / "data/x.parquet", rows(300))
    real, told = datasets.load_dataset, []

    def load(source: str, config: str | None, **more: Any) -> Any:
        told.append((source, config, more))
        return real(str(tmp_path / "data"), split=more["split"], streaming=more["streaming"])

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(hub, "_commit", lambda source, revision: f"commit-of-{revision}")
    summary = judged(Streamed("some/rows", config="main", revision="v1"), tmp_path / "out.jsonl")
    assert summary.total == 300
    assert told == [("some/rows", "main", {"split": "train", "revision": "commit-of-v1", "streaming": True})]
    with pytest.raises(UserError, match="not of this input"):
        judged(Streamed("some/rows", config="main", revision="v2"), tmp_path / "out.jsonl")


def test_a_stream_that_breaks_off_keeps_what_was_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        features = None

        class info:
            splits = None

        def skip(self, count: int) -> Broken:
            return self

        def __iter__(self) -> Any:
            yield from rows(70)
            raise ConnectionResetError("connection reset by peer")

    (tmp_path / "data").mkdir()
    monkeypatch.setattr(Streamed, "_open", lambda self: Broken())
    with pytest.raises(RunFailed, match="broke off after row 69: connection reset") as caught:
        judged(Streamed(str(tmp_path / "data")), tmp_path / "out.jsonl")
    assert caught.value.fix and "same command" in caught.value.fix
    assert len(read(tmp_path / "out.jsonl.partial")) == 70


def test_without_the_hub_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a local file"):
        judged(Streamed("no-such-org/no-such-rows"), tmp_path / "out.jsonl")


# --- columns --------------------------------------------------------------------------------------------------------


def test_other_column_names(tmp_path: Path) -> None:
    columns = LabelColumns.parse("problem=question, steps=completions,solution=gold,first_error=label")
    given = {"question": "q", "completions": ["a", "b"], "gold": "g", "label": 1, "steps": 7, "problem": None}
    judge = Recorder()
    summary = judged(JsonLines(write_jsonl(tmp_path / "in.jsonl", [given]), columns), tmp_path / "o.jsonl", judge)
    assert judge.seen == [Solution("q", ("a", "b"), reference="g")]
    assert summary.measures is not None and summary.measures.acc_error == 1.0
    (row,) = read(tmp_path / "o.jsonl")
    assert row.pop("verdict")["first_error"] == 1
    assert row == {**given, "steps": ["a", "b"], "steps_before": 7}
    with pytest.raises(UserError, match="not of this input"):
        judged(
            JsonLines(tmp_path / "in.jsonl", LabelColumns.parse("problem=question,steps=completions")),
            tmp_path / "o.jsonl",
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("problem", "no pair"),
        ("porblem=x", "nothing is called 'porblem'"),
        ("problem=", "needs the problem"),
        ("steps=,response=", "steps or the response"),
        ("problem=a,problem=b", "twice"),
    ],
)
def test_columns_that_cannot_be(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        LabelColumns.parse(text)


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    columns = LabelColumns.parse("problem=qestion")
    for source in (
        JsonLines(write_jsonl(tmp_path / "in.jsonl", [{"question": "q", "steps": ["a"]}]), columns),
        Parquet(write_parquet(tmp_path / "in.parquet", [{"question": "q", "steps": ["a"]}]), columns),
    ):
        with pytest.raises(UserError, match="no column 'qestion'") as caught:
            judged(source, tmp_path / "out.jsonl")
        assert caught.value.fix and "did you mean 'question'?" in caught.value.fix


def test_an_earlier_verdict_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    judged(JsonLines(write_jsonl(tmp_path / "in.jsonl", [{"problem": "p", "steps": ["a"]}])), tmp_path / "a.jsonl")
    judged(JsonLines(tmp_path / "a.jsonl"), tmp_path / "b.jsonl")
    (first,), (second,) = read(tmp_path / "a.jsonl"), read(tmp_path / "b.jsonl")
    assert second["verdict_before"] == first["verdict"] and "steps_before" not in second
    with pytest.raises(UserError, match="both verdict and verdict_before"):
        judged(JsonLines(tmp_path / "b.jsonl"), tmp_path / "c.jsonl")


def test_a_response_is_split_where_steps_are_something_else(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", [{"problem": "p", "steps": 12, "response": "a\n\nb"}])
    with pytest.raises(UserError, match="not a list of texts") as caught:
        judged(JsonLines(path), tmp_path / "out.jsonl")
    assert caught.value.fix and "--columns steps=" in caught.value.fix
    judged(JsonLines(path, LabelColumns.parse("steps=")), tmp_path / "out.jsonl")
    (row,) = read(tmp_path / "out.jsonl")
    assert (row["steps"], row["steps_before"]) == (["a", "b"], 12)
