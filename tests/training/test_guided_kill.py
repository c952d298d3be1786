"""Two processes, one of them killed: a guided run goes on where its last checkpoint left it, and nothing shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy
from guided_toy import launch, noted


@pytest.mark.xdist_group("torchrun")
@pytest.mark.slow
def test_killed_by_signal_9_on_two_ranks_ends_the_same(policy: Path, tmp_path: Path) -> None:
    """Prefixes on top of the budget and in the loss; one rank is killed at step 4, the last checkpoint is of step 2."""
    straight = launch(policy, tmp_path / "straight", 4, "extra=1")
    broken = launch(policy, tmp_path / "broken", 4, "extra=1,kill=4")
    assert not (broken.stage.path / "final").exists()
    assert [folder.name for folder in broken.stage.checkpoints.iterdir()] == ["checkpoint-2"]
    resumed = launch(policy, tmp_path / "broken", 4, "extra=1")
    assert [toy.timeless(r) for r in resumed.metrics()] == [toy.timeless(r) for r in straight.metrics()]
    assert resumed.rollouts() == straight.rollouts()
    assert resumed.weights() == straight.weights()
    states = [notes[-1] for notes in (*noted(resumed, "state"), *noted(straight, "state"))]
    assert len(states) == 4 and states.count(states[0]) == 4, "each rank's guidance is where it would have been"
    assert len({row["guidance"]["length"] for row in straight.metrics()}) > 1, "the test shows nothing"
    tokens = [(r["prefix_tokens"], len(r["response"].split())) for r in straight.rollouts()]
    assert {given for given, _ in tokens} > {0} and max(total for _, total in tokens) > 6

    # Long rows and short ones went to the model apart, equally often on both ranks; together they train alike.
    wide = launch(policy, tmp_path / "wide", 2, "extra=1,wide=1")
    one, other = noted(straight, "apart")
    assert one == other and len(one) > 1 and noted(wide, "apart") == [[], []]
    for apart, together in zip(straight.metrics(), wide.metrics(), strict=False):
        assert together["loss"] == pytest.approx(apart["loss"], rel=1e-3, abs=1e-6)
        assert together["grad_norm"] == pytest.approx(apart["grad_norm"], rel=1e-3)
    assert wide.rollouts() == [row for row in straight.rollouts() if row["step"] <= 2]
