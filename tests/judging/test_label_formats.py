"""What labelled rows leave as: parquet, folders of `datasets`, stepwise rows; types, and kills in the making."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling import files, formats
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.hub import Saved
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.parquet import Parquet
from tests.judging.label_help import STEPS, ByNumber, judged, read, rows, write, wrong_step

COUNTED: dict[str, Any] = {
    "total": 11,
    "abstained": 1,
    "failed": 0,
    "no_error": 4,
    "unchecked": 2,
    "resumed": 0,
    "written": 8,
}
COUNTED["abstained_why"] = {"no idea": 1}


def all_of(out: Path | str) -> list[dict[str, Any]]:
    return list(formats.read(Path(out), formats.format_of(str(out))))


@pytest.mark.parametrize("name", ["out.parquet", "out/"])
def test_tables_hold_what_json_lines_hold(tmp_path: Path, name: str) -> None:
    count = 9000  # more than one piece
    given = rows(count)
    for i, row in enumerate(given):
        row["late"] = f"text {i}" if i > 8000 else None
        row["deep"] = {"a": i} if i % 2 else {"b": [str(i)]}
    source = write(tmp_path / "in.jsonl", given)
    judged(JsonLines(source), tmp_path / "plain.jsonl")
    summary = judged(JsonLines(source), f"{tmp_path}/{name}")
    found = all_of(f"{tmp_path}/{name}")
    for row, plain in zip(found, read(tmp_path / "plain.jsonl"), strict=True):
        assert {key: value for key, value in row.pop("deep").items() if value is not None} == plain.pop("deep")
        assert row == plain
    assert summary.written == count
    kept = {path.name for path in tmp_path.iterdir()}
    base = name.rstrip("/")
    assert kept == {"in.jsonl", "plain.jsonl", "plain.jsonl.meta.json", base, f"{base}.meta.json"}
    judge = ByNumber()
    assert judged(JsonLines(source), f"{tmp_path}/{name}", judge).complete and not judge.seen


def test_a_saved_folder_opens_as_a_data_set(tmp_path: Path) -> None:
    from datasets import Dataset, load_from_disk

    judged(JsonLines(write(tmp_path / "in.jsonl", rows(10))), f"{tmp_path}/out/")
    data = load_from_disk(str(tmp_path / "out"))
    assert isinstance(data, Dataset) and data.column_names == ["problem", "steps", "n", "verdict"]
    assert data[3]["verdict"]["first_error"] == 2


def test_a_tables_own_types_stay(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("problem", pa.large_string()),
            ("steps", pa.list_(pa.string())),
            ("small", pa.int8()),
            ("single", pa.float32()),
            ("kind", pa.dictionary(pa.int32(), pa.string())),
            ("nothing", pa.null()),
            ("verdict", pa.struct([("mine", pa.int16())])),
        ]
    )
    given = {"problem": "p1", "steps": STEPS, "small": 7, "single": 0.1, "kind": "k", "nothing": None}
    table = pa.Table.from_pylist([{**given, "verdict": {"mine": 1}}, {**given, "single": math.nan}], schema=schema)
    pq.write_table(table, tmp_path / "in.parquet")
    judged(Parquet(tmp_path / "in.parquet"), tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    for field in schema:
        if field.name != "verdict":
            assert found.schema.field(field.name).type == field.type
            if field.name != "single":
                assert found.column(field.name).to_pylist() == table.column(field.name).to_pylist()
    assert found.column("single")[0] == table.column("single")[0] and math.isnan(found.column("single")[1].as_py())
    assert found.schema.field("verdict_before").type == schema.field("verdict").type
    assert found.column("verdict_before").to_pylist() == [{"mine": 1}, None]
    assert [verdict["first_error"] for verdict in found.column("verdict").to_pylist()] == [0, 0]


def test_features_of_a_data_set_stay(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value, load_from_disk

    features = Features(
        {"problem": Value("string"), "steps": List(Value("string")), "level": ClassLabel(names=["easy", "hard"])}
    )
    Dataset.from_list([{"problem": "p1", "steps": STEPS, "level": "hard"}], features=features).save_to_disk(
        str(tmp_path / "in")
    )
    judged(Saved(tmp_path / "in"), f"{tmp_path}/out/")
    data = load_from_disk(str(tmp_path / "out"))
    assert data.features["level"] == features["level"] and data[0]["level"] == 1
    assert data[0]["verdict"]["first_error"] == 0


@pytest.mark.parametrize(
    ("values", "says"),
    [([1, "one"], "'odd' cannot be a column"), ([2**70], "'odd' cannot be"), ([{}], "'odd' holds empty objects")],
)
def test_values_that_are_no_column_are_told_before_judging(tmp_path: Path, values: list[object], says: str) -> None:
    source = write(tmp_path / "in.jsonl", [{**rows(1)[0], "odd": value} for value in values])
    judge = ByNumber()
    for name in ("out.parquet", "out/"):
        with pytest.raises(UserError, match=says):
            judged(JsonLines(source), f"{tmp_path}/{name}", judge)
    assert not judge.seen and [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    judged(JsonLines(source), tmp_path / "out.jsonl")
    assert [row["odd"] for row in read(tmp_path / "out.jsonl")] == values


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"problem": "p1", "steps": [], "x": NaN}\n')
    judged(JsonLines(tmp_path / "in.jsonl"), tmp_path / "out.jsonl")
    (row,) = read(tmp_path / "out.jsonl")
    assert row["x"] is None and row["reasons"] == {"x": "not finite: nan"}
    judged(JsonLines(tmp_path / "in.jsonl"), tmp_path / "out.parquet")
    (row,) = all_of(tmp_path / "out.parquet")
    assert math.isnan(row["x"]) and "reasons" not in row
    (tmp_path / "in.jsonl").write_text('{"problem": "p1", "steps": [], "x": NaN, "reasons": ["mine"]}\n')
    judged(JsonLines(tmp_path / "in.jsonl"), tmp_path / "other.jsonl")
    assert read(tmp_path / "other.jsonl")[0]["reasons"] == ["mine"]


# --- stepwise -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out/"])
def test_stepwise_rows_are_what_trainers_read(tmp_path: Path, name: str) -> None:
    given = [
        *rows(8),
        {"problem": "p3x", "steps": STEPS},
        {"problem": "p3u", "steps": STEPS},
        {"problem": "p3", "steps": []},
    ]
    summary = judged(JsonLines(write(tmp_path / "in.jsonl", given)), f"{tmp_path}/{name}", schema="stepwise")
    found = all_of(f"{tmp_path}/{name}")
    assert [row["prompt"] for row in found] == [f"p{i}" for i in range(8)]
    assert [row["labels"] for row in found[:4]] == [
        [True, True, True],
        [False, False, False],
        [True, False, False],
        [True, True, False],
    ]
    assert all(row.keys() == {"prompt", "completions", "labels"} and row["completions"] == STEPS for row in found)
    assert summary.left_out == {"abstained": 1, "unchecked": 1, "no_steps": 1} and summary.written == 8
    assert summary.to_json()["rows"] == {
        **COUNTED,
        "left_out": {"abstained": 1, "unchecked": 1, "no_steps": 1},
    }
    again = judged(JsonLines(tmp_path / "in.jsonl"), f"{tmp_path}/{name}", schema="stepwise")
    assert again.complete and again.left_out == summary.left_out and again.written == 8
    with pytest.raises(UserError, match="overwrite"):
        judged(JsonLines(tmp_path / "in.jsonl"), f"{tmp_path}/{name}")


def test_stepwise_of_nothing_but_abstentions_is_an_empty_table(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"problem": "p3x", "steps": STEPS}])
    judged(JsonLines(source), tmp_path / "out.parquet", schema="stepwise")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 0 and table.schema.field("labels").type == pa.list_(pa.bool_())


def test_stepwise_with_other_column_names(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"question": "p1", "answer_text": "a\n\nb"}])
    columns = LabelColumns.parse("problem=question,response=answer_text")
    judged(JsonLines(source, columns), tmp_path / "out.jsonl", schema="stepwise")
    assert read(tmp_path / "out.jsonl") == [{"prompt": "p1", "completions": ["a", "b"], "labels": [False, False]}]


# --- kills and other files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out/"])
@pytest.mark.parametrize("moment", ["made", "meta", "replaced"])
def test_killed_while_out_is_made_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moment: str
) -> None:
    """As if killed: after OUT was made in its format, after its meta file, and after it was put in its place."""

    source, out = write(tmp_path / "in.jsonl", rows(200)), f"{tmp_path}/{name}"
    judged(JsonLines(source), f"{tmp_path}/straight{name.removeprefix('out')}")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    def replace_and_die(made: Path, target: Path) -> None:
        replace(made, target)
        raise KeyboardInterrupt

    replace = formats.replace
    target, attribute, patch = {
        "made": (files, "_sync", die),
        "meta": (formats, "replace", die),
        "replaced": (formats, "replace", replace_and_die),
    }[moment]
    with monkeypatch.context() as patched:
        patched.setattr(target, attribute, patch)
        with pytest.raises(KeyboardInterrupt):
            judged(JsonLines(source), out)
    assert Path(out).exists() == (moment == "replaced")
    judge = ByNumber()
    judged(JsonLines(source), out, judge)
    assert not judge.seen, "every row was judged before"
    assert all_of(out) == all_of(f"{tmp_path}/straight{name.removeprefix('out')}")
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith("out")}
    assert left == {name.rstrip("/"), f"{name.rstrip('/')}.meta.json"}


def test_a_directory_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", rows(3))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    judge = ByNumber()
    for out in (f"{mine}/", str(mine)):
        for overwrite in (False, True):
            with pytest.raises(UserError, match="directory"):
                judged(JsonLines(source), out, judge, overwrite=overwrite)
    assert not judge.seen, "told before anything is judged"
    assert (mine / "thesis.tex").read_text() == "years of work"


def test_a_saved_folder_of_another_job_is_replaced_when_told(tmp_path: Path) -> None:
    judged(JsonLines(write(tmp_path / "a.jsonl", rows(3))), f"{tmp_path}/out/")
    other = JsonLines(write(tmp_path / "b.jsonl", rows(5)))
    with pytest.raises(UserError, match="overwrite"):
        judged(other, f"{tmp_path}/out/")
    judged(other, tmp_path / "out", overwrite=True)  # it is a saved folder, so the slash may be left out
    assert len(all_of(f"{tmp_path}/out/")) == 5 and not (tmp_path / "out.old").exists()


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.jsonl.gz"])
def test_formats_that_are_not_written(name: str) -> None:
    with pytest.raises(UserError, match="not written as"):
        formats.format_of(name)


def test_lines_stay_lines_whatever_a_reader_takes_for_a_line_break(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\x85d\x0be"
    judged(JsonLines(write(tmp_path / "in.jsonl", rows(2, text=text))), tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [text, text]
    assert [wrong_step(i) for i in range(2)] == [json.loads(line)["verdict"]["first_error"] for line in lines]
