"""Atomic files and JSON lines: nothing half-written, nothing half-read, no NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.runs import files


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"x": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunFailed, match="no space left"):
        files.write_json(target, {"x": 2})
    assert json.loads(target.read_text()) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_directory_that_cannot_be_made_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        files.write_text(tmp_path / "file" / "below" / "x.txt", "x")


def test_nan_becomes_null_with_its_reason() -> None:
    told = json.loads(files.to_json({"a": {"b": math.nan}, "c": [1.0, math.inf]}))
    assert told["a"]["b"] is None and told["c"] == [1.0, None]
    assert told["reasons"] == {"a.b": "not finite: nan", "c[1]": "not finite: inf"}


def test_a_torn_last_line_is_dropped_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n{"n": 2}\n{"n": 3, "te')
    assert [row["n"] for row in files.read_jsonl(path)] == [1, 2]
    with files.JsonLines(path) as lines:
        lines.append({"n": 4})
    assert [row["n"] for row in files.read_jsonl(path)] == [1, 2, 4]


def test_a_file_of_one_torn_line_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("x" * 200_000)
    files.mend_jsonl(path)
    assert path.read_text() == ""


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=80)), max_size=20), st.integers(0, 400))
def test_wherever_a_kill_cuts_whole_rows_survive(tmp_path_factory, content, cut) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("cut") / "rows.jsonl"
    with files.JsonLines(path) as lines:
        lines.extend(content)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    kept = list(files.read_jsonl(path))
    assert kept == content[: whole[:cut].count(b"\n")]


def test_keep_cuts_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with files.JsonLines(path) as lines:
        lines.extend({"step": step} for step in range(5))
    files.keep_jsonl(path, lambda row: row["step"] <= 2)
    assert [row["step"] for row in files.read_jsonl(path)] == [0, 1, 2]


def test_removing_a_link_keeps_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("x")
    (tmp_path / "link").symlink_to("real")
    files.remove_tree(tmp_path / "link")
    assert (tmp_path / "real" / "x").exists() and not (tmp_path / "link").exists()
