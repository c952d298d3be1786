"""Shards are put together in the input's order, and only when all of them are there, whole, and of one job."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sgpo_cli.errors import UserError
from sgpo_cli.judging.labelling import merge as merging
from sgpo_cli.judging.labelling.columns import LabelColumns
from sgpo_cli.judging.labelling.counts import LabelSummary
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.label import Output
from tests.judging.label_help import ByNumber, judged, read, rows, write

COUNT, SHARDS = 1003, 7


@pytest.fixture
def whole(tmp_path: Path) -> JsonLines:
    return JsonLines(write(tmp_path / "in.jsonl", rows(COUNT, first_error=1)))


@pytest.fixture
def shards(whole: JsonLines, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"part-{index}.jsonl" for index in range(SHARDS)]
    for index, path in enumerate(paths):
        judged(whole, path, shard=(index, SHARDS))
    random.Random(0).shuffle(paths)
    return paths


def merged(paths: list[Path], out: Path | str, **more: bool) -> LabelSummary:
    return merging.merge(paths, Output.named(str(out), **more))[0]  # type: ignore[arg-type]


def test_merged_shards_are_what_one_process_writes(whole: JsonLines, shards: list[Path], tmp_path: Path) -> None:
    straight = judged(whole, tmp_path / "straight.jsonl")
    summary = merged(shards, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "straight.jsonl").read_bytes()
    assert summary.measures == straight.measures and summary.counts == straight.counts
    judge = ByNumber()
    assert judged(whole, tmp_path / "out.jsonl", judge).complete and not judge.seen
    assert merged(shards, tmp_path / "out.jsonl").complete


def test_a_merge_that_was_killed_goes_on(
    shards: list[Path], whole: JsonLines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sgpo_cli.judging.labelling.files import LabelStore

    real, calls = LabelStore.extend, list[int]()

    def extend(self: LabelStore, part: object) -> None:
        real(self, part)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LabelStore, "extend", extend)
        with pytest.raises(KeyboardInterrupt):
            merged(shards, tmp_path / "out.jsonl")
    assert 0 < len(read(tmp_path / "out.jsonl.partial")) < COUNT
    merged(shards, tmp_path / "out.jsonl")
    judged(whole, tmp_path / "straight.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "straight.jsonl").read_bytes()


def test_shards_become_any_format(shards: list[Path], whole: JsonLines, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    merged(shards, tmp_path / "out.parquet")
    judged(whole, tmp_path / "straight.jsonl")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == read(tmp_path / "straight.jsonl")


def test_what_is_missing_twice_or_of_something_else_is_named(
    shards: list[Path], whole: JsonLines, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(UserError, match="2 are missing: 3/7, 5/7"):
        merged([path for path in shards if path.stem not in ("part-3", "part-5")], out)
    with pytest.raises(UserError, match="there twice"):
        merged([*shards, shards[0]], out)
    other = tmp_path / "other.jsonl"
    judged(whole, other, fingerprint="g", shard=(3, SHARDS))
    with pytest.raises(UserError, match="not shards of one job"):
        merged([*(path for path in shards if path.stem != "part-3"), other], out)
    judged(whole, tmp_path / "eighth.jsonl", shard=(0, 8))
    with pytest.raises(UserError, match="different divisions"):
        merged([*shards, tmp_path / "eighth.jsonl"], out)
    assert not out.exists()


def test_a_shard_that_is_unfinished_or_was_changed_is_named(
    shards: list[Path], whole: JsonLines, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        judged(whole, tmp_path / "half.jsonl", ByNumber(stop_after=64), shard=(0, 2))
    with pytest.raises(UserError, match=r"half\.jsonl is not finished"):
        merged([tmp_path / "half.jsonl"], tmp_path / "out.jsonl")
    shards[2].write_text(shards[2].read_text().replace('"n": ', '"n":  '))
    with pytest.raises(UserError, match=f"{shards[2].name} .*was changed"):
        merged(shards, tmp_path / "out.jsonl")
    judged(whole, tmp_path / "steps.jsonl", schema="stepwise")
    with pytest.raises(UserError, match="not JSON lines of whole rows"):
        merged([tmp_path / "steps.jsonl"], tmp_path / "out.jsonl")


def test_shards_remember_their_columns(tmp_path: Path) -> None:
    given = [{"question": row["problem"], "steps": row["steps"], "label": 1} for row in rows(20)]
    columns = LabelColumns.parse("problem=question,first_error=label")
    source = JsonLines(write(tmp_path / "in.jsonl", given), columns)
    paths = [tmp_path / f"{index}.jsonl" for index in range(2)]
    for index, path in enumerate(paths):
        judged(source, path, shard=(index, 2))
    summary, read_by = merging.merge(paths, Output.named(str(tmp_path / "o.jsonl"), schema="stepwise"))
    assert read_by == columns and summary.counts.labels.n_error == 20
    assert [row["prompt"] for row in read(tmp_path / "o.jsonl")] == [row["question"] for row in given]
