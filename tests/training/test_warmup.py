"""The warm-up: it learns the response only, and a stopped or killed one ends in the very weights of a straight one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from sgpo_cli.data.hops import problems  # noqa: E402
from sgpo_cli.data.hops_text import tokenizer as hops_tokenizer  # noqa: E402
from sgpo_cli.data.rows import Row, load_rows, split_heldout  # noqa: E402
from sgpo_cli.errors import Interrupted, RunFailed, UserError  # noqa: E402
from sgpo_cli.generation.load import build_scratch, load_policy, load_tokenizer, save_policy  # noqa: E402
from sgpo_cli.generation.transformers_engine import TransformersEngine  # noqa: E402
from sgpo_cli.judging.hops_oracle import HopsOracle  # noqa: E402
from sgpo_cli.judging.verdict import Solution  # noqa: E402
from sgpo_cli.recipe.kinds import WarmupSft  # noqa: E402
from sgpo_cli.recipe.schema import Columns, Data, HopsTask, Model, Scratch  # noqa: E402
from sgpo_cli.runs import stops  # noqa: E402
from sgpo_cli.runs.events import EventWriter, read_events  # noqa: E402
from sgpo_cli.runs.files import read_jsonl  # noqa: E402
from sgpo_cli.runs.rundir import StageDir  # noqa: E402
from sgpo_cli.training import warmup as warmup_module  # noqa: E402
from sgpo_cli.training import warmup_watch  # noqa: E402
from sgpo_cli.training.warmup import run_warmup  # noqa: E402
from sgpo_cli.training.warmup_data import IGNORED, Example, collate, encode, warmup_rows  # noqa: E402

MODEL = Model(scratch=Scratch(hidden_size=16, heads=2, intermediate_size=16))
DATA = Data(hops=HopsTask(entities=12, hops=3))
SFT = WarmupSft(steps=12, batch_size=8, warmup_steps=2, save_every=5)


@pytest.fixture(autouse=True)
def _no_stop_left() -> Iterator[None]:
    stops.reset()
    yield
    stops.reset()


def run(path: Path, *, model: Model = MODEL, data: Data = DATA, sft: WarmupSft = SFT) -> StageDir:
    stage = StageDir(path)
    path.mkdir(parents=True, exist_ok=True)
    events = EventWriter("warmup", stage.events)
    try:
        run_warmup(model=model, data=data, warmup=sft, stage=stage, events=events)
    finally:
        events.close()
    return stage


def weights(stage: StageDir) -> bytes:
    return (stage.final / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> StageDir:
    return run(tmp_path_factory.mktemp("straight"))


def test_a_straight_run_leaves_all_it_should(straight: StageDir) -> None:
    rows = list(read_jsonl(straight.metrics))
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert rows[-1]["loss"] < rows[0]["loss"]
    rates = [row["learning_rate"] for row in rows]
    # Two steps up, constant, then linearly to 0 over the last half.
    assert rates == pytest.approx([3e-3 * x for x in (0, 0.5, 1, 1, 1, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6)])
    progress = [event for event in read_events(straight.events) if event.event == "progress"]
    assert (progress[0].step, progress[-1].step, progress[-1].total) == (0, 12, 12)
    assert [event.step for event in read_events(straight.events) if event.event == "metrics"] == [10, 12]
    tokenizer = load_tokenizer(straight.final)
    assert tokenizer("e1 r0")["input_ids"] == hops_tokenizer(DATA.hops)("e1 r0")["input_ids"]
    assert load_policy(straight.final).config.vocab_size == len(tokenizer)


def test_equal_settings_give_equal_weights_whatever_came_before(straight: StageDir, tmp_path: Path) -> None:
    torch.manual_seed(99)
    assert weights(run(tmp_path / "same")) == weights(straight)
    assert weights(run(tmp_path / "other", sft=WarmupSft(**{**vars(SFT), "seed": 1}))) != weights(straight)


def stop_at(step: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> StageDir:
    """A run that is asked to stop in the given step."""
    calls = []

    def ask() -> bool:
        calls.append(1)
        if len(calls) == step:
            stops._asked.set()
        return stops.stop_asked()

    monkeypatch.setattr(warmup_watch, "_anyone_stops", ask)
    with pytest.raises(Interrupted, match=f"step {step} of 12"):
        run(path)
    monkeypatch.undo()
    stops.reset()
    return StageDir(path)


def test_a_stopped_run_goes_on_bit_for_bit(straight: StageDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = stop_at(7, tmp_path, monkeypatch)
    newest = warmup_watch.newest_checkpoint(stage.checkpoints)
    assert newest is not None and newest.name == "checkpoint-7" and not stage.final.exists()
    run(tmp_path)
    assert weights(stage) == weights(straight)
    assert stage.metrics.read_text() == straight.metrics.read_text()
    assert not stage.checkpoints.exists()


def test_a_torn_checkpoint_is_not_used(straight: StageDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = stop_at(7, tmp_path, monkeypatch)
    (stage.checkpoints / "checkpoint-7" / "complete").unlink()
    (stage.checkpoints / "checkpoint-7" / "model.safetensors").write_bytes(b"half")
    newest = warmup_watch.newest_checkpoint(stage.checkpoints)
    assert newest is not None and newest.name == "checkpoint-5"
    run(tmp_path)
    assert weights(stage) == weights(straight)
    assert stage.metrics.read_text() == straight.metrics.read_text()


def test_killed_while_or_after_the_policy_is_written(
    straight: StageDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("save_policy", "_clean_up"):
        monkeypatch.setattr(warmup_module, name, die)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / name)
        monkeypatch.undo()
        assert weights(run(tmp_path / name)) == weights(straight)
    run(tmp_path / name, model=Model())  # complete: nothing is loaded again


def test_kill_9_in_the_middle(straight: StageDir, tmp_path: Path) -> None:
    """A real SIGKILL, at whatever point it hits; the same call again ends in the same weights."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import test_warmup as t; "
        "t.run(Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("checkpoints/checkpoint-*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert weights(run(tmp_path)) == weights(straight)


def test_accumulated_batches_learn_the_same(
    straight: StageDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup_module, "_TOKENS_AT_ONCE", 30)
    split = load_policy(run(tmp_path).final).state_dict()
    for name, value in load_policy(straight.final).state_dict().items():
        assert torch.allclose(split[name], value, atol=2e-4), name


def test_a_loss_gone_wild_stops(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"loss is (nan|inf)"):
        run(tmp_path, sft=WarmupSft(steps=12, batch_size=8, warmup_steps=0, learning_rate=1e30))


def test_only_the_response_is_learned() -> None:
    tokenizer = hops_tokenizer(DATA.hops)
    rows = [Row("0", "e1 r0 r1 r0", solution="e4\n# e4"), Row("1", "e2 r1", solution="e5")]
    examples = encode(rows, tokenizer, model=MODEL, template="{problem}", max_length=64)
    batch = collate(examples, tokenizer.pad_token_id)
    said = tokenizer.convert_tokens_to_ids(["e4", "#", "e4", "</s>"])
    assert batch["labels"][0].tolist() == [IGNORED] * 5 + said
    assert (
        batch["labels"][1].tolist() == [IGNORED] * 3 + tokenizer.convert_tokens_to_ids(["e5", "</s>"]) + [IGNORED] * 4
    )
    assert batch["attention_mask"].sum(1).tolist() == [9, 5]
    (cut,) = encode(rows[:1], tokenizer, model=MODEL, template="{problem}", max_length=7)
    assert cut == Example(examples[0].ids[:7], 5)
    with pytest.raises(UserError, match="leaves nothing"):
        encode(rows[:1], tokenizer, model=MODEL, template="{problem}", max_length=5)


def jsonl(path: Path, count: int, *, solution: bool = True) -> Path:
    rows = ({"problem": f"e{n % 9} r0", "answer": f"e{n % 5}", "why": f"# e{n % 5}"} for n in range(count))
    keep = [row if solution else {**row, "why": None} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in keep))
    return path


def test_rows_with_solutions_and_a_model_from_a_folder(tmp_path: Path) -> None:
    tokenizer = hops_tokenizer(HopsTask(entities=12))
    save_policy(build_scratch(MODEL.scratch or Scratch(), tokenizer, 0), tokenizer, tmp_path / "base")
    data = Data(source=str(jsonl(tmp_path / "a.jsonl", 9)), columns=Columns(solution="why"), heldout=2)
    stage = run(tmp_path / "stage", model=Model(path=str(tmp_path / "base")), data=data)
    losses = [row["loss"] for row in read_jsonl(stage.metrics)]
    assert len(losses) == 12 and losses[-1] < losses[0]


def test_held_out_rows_are_not_learned_and_epochs_are_whole(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", 9)
    data = Data(source=str(file), columns=Columns(solution="why"), heldout=3)
    rows = warmup_rows(data, WarmupSft(steps=3, batch_size=6))
    _, heldout = split_heldout(load_rows(file), 3)
    assert len(rows) == 18 and len({row.problem for row in rows}) == 6
    assert all(len({row.id for row in rows[start : start + 6]}) == 6 for start in (0, 6, 12))
    assert not {row.problem for row in rows} & {row.problem for row in heldout}
    with pytest.raises(UserError, match="no row has one"):
        warmup_rows(Data(source=str(jsonl(file, 4, solution=False)), columns=Columns(solution="why")), SFT)


def test_without_a_model_or_with_too_many_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no model"):
        run(tmp_path / "a", model=Model())
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match="does not divide over 3"):
        warmup_module._arguments(SFT, tmp_path, 10)


@pytest.mark.slow
def test_the_warm_start_of_hops_is_where_rl_should_begin(tmp_path: Path) -> None:
    """The defaults: 320 steps, then held-out accuracy .005-.03 and .85-.93 of the groups of 8 all-negative."""
    stage = run(tmp_path, model=Model(scratch=Scratch()), data=Data(), sft=WarmupSft())
    engine = TransformersEngine(load_policy(stage.final), load_tokenizer(stage.final))
    rows = problems(HopsTask(), 512, 0, "heldout")
    asked = [row.problem for row in rows for _ in range(8)]
    made = engine.generate(asked, max_new_tokens=13, temperature=1.0, top_p=1.0, seed=0)
    right = [one.text.rpartition("# ")[2] == rows[place // 8].answer for place, one in enumerate(made)]
    groups = [right[start : start + 8] for start in range(0, len(right), 8)]
    assert 0.005 <= sum(right) / len(right) <= 0.03
    assert 0.85 <= sum(not any(group) for group in groups) / len(groups) <= 0.93
    solutions = [Solution(rows[place // 8].problem, tuple(one.text.split("\n"))) for place, one in enumerate(made)]
    scores = [verdict.prefix_score or 0.0 for verdict in HopsOracle(HopsTask()).judge(solutions)]
    assert 0.09 <= sum(scores) / len(scores) <= 0.16
    assert sum(one.truncated for one in made) < 0.01 * len(made)
