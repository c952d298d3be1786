"""Trackers get the ledger: every number of metrics.jsonl that is ours, by our step, in one run over all sessions."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy

from sgpo_cli.errors import RunFailed
from sgpo_cli.recipe.schema import Recipe
from sgpo_cli.runs.rundir import StageDir
from sgpo_cli.training.tracking import Tracking, figures

Series = dict[tuple[str, int], float]


def tracked(steps: int = 4) -> Recipe:
    recipe = toy.recipe(steps=steps)
    recipe.track = ["tensorboard"]
    return recipe


def scalars(folder: Path) -> tuple[Series, set[str]]:
    """What tensorboard shows of a folder, and which tags have two values at a step: sessions in their order."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    shown: Series = {}
    twice = set()
    for file in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + size])
            at += 12 + size + 4
            if event.session_log.status == SessionLog.START:
                shown = {key: value for key, value in shown.items() if key[1] < event.step}
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    twice |= {value.tag} if (value.tag, event.step) in shown else set()
                    shown[value.tag, event.step] = value.simple_value
    return shown, twice


def told(rows: list[dict[str, Any]]) -> Series:
    """What metrics.jsonl says, as the trackers should have it."""
    found: Series = {}
    for row in rows:
        before = row.pop("heldout_start")
        if before:
            found |= {(name, 0): value for name, value in figures({"heldout": before}).items()}
        step = row.pop("step")
        row.pop("trl")
        found |= {(name, step): value for name, value in figures(row).items()}
    return found


class Breaking:
    """An oracle until its fourth batch."""

    def __init__(self) -> None:
        from sgpo_cli.judging.hops_oracle import HopsOracle

        self.left, self.real = 4, HopsOracle(toy.TASK)

    def judge(self, solutions: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise RunFailed("power cut")
        return self.real.judge(solutions)


def test_tensorboard_shows_the_ledger_also_of_a_run_that_was_broken_off(policy: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with pytest.raises(RunFailed, match="power cut"):
        toy.train(tracked(), policy, tmp_path, judge=Breaking())
    seen, _ = scalars(tmp_path / "tensorboard" / "ledger")
    assert max(step for _, step in seen) == 3, "a step after the checkpoint of step 2, to be forgotten"
    again = toy.train(tracked(), policy, tmp_path)
    shown, twice = scalars(tmp_path / "tensorboard" / "ledger")
    expected = told(again.metrics())
    assert ("sgpo/groups/all_negative", 4) in expected and ("sgpo/heldout/accuracy", 0) in expected
    assert shown.keys() == expected.keys() and not twice
    assert all(shown[key] == pytest.approx(value, rel=1e-6) for key, value in expected.items())
    theirs, twice = scalars(tmp_path / "tensorboard" / "trl")
    updates = sorted(step for name, step in theirs if name == "train/grad_norm")
    assert updates == list(range(1, 9)), "TRL's own, by update, in one series"
    assert twice <= {"train/epoch"}, "transformers' last line repeats it"
    assert len({path.parent for path in tmp_path.rglob("events.out.tfevents*")}) == 2


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Stand-ins for wandb, trackio and mlflow that keep what they are sent."""
    sent: dict[str, list[Any]] = {"wandb": [], "axis": [], "trackio": [], "mlflow": [], "ended": []}
    wandb = SimpleNamespace(
        log=sent["wandb"].append,
        define_metric=lambda *a, **k: sent["axis"].append((a, k)),
        finish=lambda: sent["ended"].append("wandb"),
    )
    run = SimpleNamespace(info=SimpleNamespace(run_id="run-7"))
    mlflow = SimpleNamespace(
        log_metrics=lambda values, step: sent["mlflow"].append((values, step)),
        active_run=lambda: run,
        end_run=lambda: sent["ended"].append("mlflow"),
    )
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(log=sent["trackio"].append))
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    for name in ("WANDB_RUN_ID", "WANDB_RESUME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return sent


def test_other_trackers_get_the_same_and_keep_their_run(tmp_path: Path, modules: dict[str, list[Any]]) -> None:
    row = {
        "step": 2,
        "accuracy": 0.5,
        "loss": None,
        "judge": {"fallback": True},
        "heldout_start": None,
        "trl": {"x": 1},
    }
    trainer: Any = SimpleNamespace(callback_handler=SimpleNamespace(callbacks=[]))
    ids = []
    for _ in range(2):
        tracking = Tracking(["wandb", "trackio", "mlflow"], StageDir(tmp_path), "toy", writes=True)
        ids.append((os.environ["WANDB_RUN_ID"], os.environ["WANDB_RESUME"], os.environ.get("MLFLOW_RUN_ID")))
        tracking.attach(trainer, steps=0, updates=0)
        tracking.send(row)
        tracking.close()
    values = {"sgpo/accuracy": 0.5, "sgpo/judge/fallback": 1}
    assert modules["wandb"] == modules["trackio"] == [{**values, "sgpo/step": 2}] * 2
    assert modules["mlflow"] == [(values, 2)] * 2
    assert modules["ended"] == ["wandb", "mlflow"] * 2
    assert (("sgpo/*",), {"step_metric": "sgpo/step"}) in modules["axis"]
    assert ids[0][0] == ids[1][0] and ids[0][1] == "allow", "the second session goes on with the first's run"
    assert (ids[0][2], ids[1][2]) == (None, "run-7")
    assert "WANDB_RUN_ID" not in os.environ and "MLFLOW_RUN_ID" not in os.environ


def test_only_rank_0_tells(tmp_path: Path, modules: dict[str, list[Any]]) -> None:
    tracking = Tracking(["wandb"], StageDir(tmp_path), "toy", writes=False)
    tracking.attach(SimpleNamespace(callback_handler=SimpleNamespace(callbacks=[])), steps=0, updates=0)  # type: ignore[arg-type]
    tracking.send({"step": 1, "accuracy": 1.0})
    assert not modules["wandb"] and "WANDB_RUN_ID" not in os.environ and not list(tmp_path.iterdir())
