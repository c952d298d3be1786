"""Labelling on Ray: same rows, same verdicts, same order; resumed by part; told plainly when Ray is not there."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sgpo_cli.errors import RunFailed, UserError
from sgpo_cli.judging.labelling.cluster import Cluster, label_with_ray
from sgpo_cli.judging.labelling.counts import LabelSummary
from sgpo_cli.judging.labelling.jsonl import JsonLines
from sgpo_cli.judging.labelling.label import Output
from tests.judging.label_help import OpenNotes, judged, read, rows, write
from tests.tiny import REPOSITORY

HAVE_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAVE_RAY, reason="Ray is not installed (pip install 'sgpo-cli[ray]')")


def on_ray(source: JsonLines, out: Path, **more: Any) -> LabelSummary:
    options: dict[str, Any] = {"fingerprint": "f", "judge": "by number", "on_progress": lambda _: None, **more}
    return label_with_ray(source, Output.named(str(out)), OpenNotes(out.parent), cluster=Cluster(2), **options)


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="not installed") as caught:
        on_ray(JsonLines(write(tmp_path / "in.jsonl", rows(3))), tmp_path / "out.jsonl")
    assert caught.value.fix == "pip install 'sgpo-cli[ray]'"
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@needs_ray
@pytest.mark.slow
def test_on_ray_the_result_is_that_of_one_process_and_resumes(tmp_path: Path) -> None:
    import ray

    source, out = JsonLines(write(tmp_path / "in.jsonl", rows(1003))), tmp_path / "out.jsonl"
    (tmp_path / "trouble").touch()
    there = {"env_vars": {"PYTHONPATH": str(REPOSITORY)}}  # the workers import this judge too
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=there)
    try:
        with pytest.raises(RunFailed, match="in trouble") as caught:
            on_ray(source, out)
        assert caught.value.fix == "mend it" and not out.exists()
        before = (tmp_path / "judged.txt").read_text().split()
        finished = [
            row["problem"]
            for meta in (tmp_path / "out.jsonl.parts").glob("*.meta.json")
            for row in read(meta.with_name(meta.name.removesuffix(".meta.json")))
        ]
        assert finished, "the parts that were not in trouble are kept"
        (tmp_path / "trouble").unlink()
        summary = on_ray(source, out)
        with pytest.raises(UserError, match="room for 2"):
            label_with_ray(
                source,
                Output(tmp_path / "many.jsonl"),
                OpenNotes(tmp_path),
                judge="by number",
                fingerprint="f",
                cluster=Cluster(3),
                on_progress=lambda _: None,
            )
    finally:
        ray.shutdown()
    after = (tmp_path / "judged.txt").read_text().split()[len(before) :]
    assert not set(after) & set(finished) and set(before) | set(after) == {f"p{i}" for i in range(1003)}
    assert summary.resumed >= len(finished) and summary.total == 1003
    judged(source, tmp_path / "straight.jsonl")
    assert out.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()
    metas = [json.loads((tmp_path / f"{name}.jsonl.meta.json").read_text()) for name in ("out", "straight")]
    assert metas[0] == metas[1]
    assert not list(tmp_path.glob("*.parts"))
