"""Two processes: a group that lies on both is one group, and rank 0 alone writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy

from sgpo_cli.methods.groups import Group
from sgpo_cli.methods.rescue import load_rescue


def launch(policy: Path, folder: Path, steps: int) -> toy.Result:
    return toy.two_ranks("two_ranks.py", policy, folder, steps)


@pytest.mark.xdist_group("torchrun")
@pytest.mark.slow
def test_groups_over_two_ranks(policy: Path, tmp_path: Path) -> None:
    run = launch(policy, tmp_path / "run", 4)
    rows, rollouts = run.metrics(), run.rollouts()
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert len(rollouts) == 4 * 3 * 4
    method = load_rescue(toy.recipe().rescue)
    rescued_split = 0
    for row in rows:
        for number in range(3):
            group = [r for r in rollouts if (r["step"], r["group"]) == (row["step"], number)]
            assert len({r["id"] for r in group}) == 1
            assert [r["sample"] for r in group] == [0, 1, 2, 3]
            scores = tuple(r["verdict"]["prefix_score"] if r["verdict"] else None for r in group)
            wanted = method.rescue(
                Group(tuple(r["outcome"] for r in group), tuple(r["truncated"] for r in group), scores, (0.0,) * 4)
            )
            if wanted is not None:
                weight = row["trust"]["weight"]
                assert [r["advantage"] for r in group] == pytest.approx([weight * one for one in wanted.advantages])
                rescued_split += number == 1 and weight > 0 and any(wanted.advantages)
        assert row["judge"]["judged"] == sum(r["verdict"] is not None for r in rollouts if r["step"] == row["step"])
    mixed = [row["groups"]["mixed"] for row in rows]
    assert [row["trust"]["groups"] for row in rows] == [sum(mixed[:i]) for i in range(1, 5)]
    assert rescued_split, "the group on both ranks was never rescued: the test shows nothing"
    asked = [sum(map(int, (tmp_path / "run" / f"asked-{rank}.txt").read_text().split())) for rank in (0, 1)]
    assert sum(asked) == sum(row["judge"]["calls"] for row in rows)
    assert min(asked) > 0

    # Broken off after step 2 and gone on with: the same end.
    broken = launch(policy, tmp_path / "broken", 2)
    resumed = launch(policy, tmp_path / "broken", 4)
    assert [toy.timeless(r) for r in resumed.metrics()][2:] == [toy.timeless(r) for r in rows][2:]
    assert broken.stage.path == resumed.stage.path
    assert resumed.weights() == run.weights()
