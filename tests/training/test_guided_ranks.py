"""Two processes: as many guided rollouts in the group that lies on both, and one controller."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy


def launch(policy: Path, folder: Path, steps: int) -> toy.Result:
    return toy.two_ranks("guided_two_ranks.py", policy, folder, steps)


@pytest.mark.xdist_group("torchrun")
@pytest.mark.slow
def test_guided_groups_over_two_ranks(policy: Path, tmp_path: Path) -> None:
    run = launch(policy, tmp_path / "run", 4)
    rows, rollouts = run.metrics(), run.rollouts()
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    injected = 0
    for row in rows:
        for number in range(3):
            group = [r for r in rollouts if (r["step"], r["group"]) == (row["step"], number)]
            assert len({r["id"] for r in group}) == 1 and [r["sample"] for r in group] == [0, 1, 2, 3]
            first, second, *own = (r["prefix_tokens"] for r in group)
            assert first == second and own == [0, 0]
            starts = {r["response"][: r["prefix_end"]] for r in group[:2]}
            assert len(starts) == 1
            injected += bool(first)
    assert injected
    lengths = [row["guidance"]["length"] for row in rows]
    assert len(set(lengths)) > 1
    states = [(tmp_path / "run" / f"state-{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    assert states[0] == states[1] and len(states[0]) == 4

    # Broken off after step 2 and gone on with: the same end, on both ranks.
    launch(policy, tmp_path / "broken", 2)
    resumed = launch(policy, tmp_path / "broken", 4)
    assert [toy.timeless(r) for r in resumed.metrics()][2:] == [toy.timeless(r) for r in rows][2:]
    assert resumed.rollouts() == rollouts
    assert resumed.weights() == run.weights()
    assert (tmp_path / "broken" / "state-1.txt").read_text().splitlines() == states[1]
