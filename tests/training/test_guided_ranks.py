"""Two processes: as many guided rollouts in every group, also in one that lies on both, and one controller."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import guided_counts
import pytest
import toy
from guided_toy import launch, noted, torchrun

from sgpo_cli.methods.guidance.allocate import guided_count

pytestmark = [pytest.mark.xdist_group("torchrun"), pytest.mark.slow]


def check_counts(found: Iterable[tuple[int, float, list[list[int]]]]) -> int:
    """That each group's first n rollouts have a prefix, n being the share half up; how many batches there were."""
    number = 0
    for size, fraction, groups in found:
        count = (2 * round(100 * fraction) * size + 100) // 200
        assert count == guided_count(fraction, size) > 0
        assert groups == [[1] * count + [0] * (size - count)] * len(groups) and len(groups) > 1, (size, fraction)
        number += 1
    return number


def test_every_size_and_share_gives_every_group_as_many(policy: Path, tmp_path: Path) -> None:
    """All whole percents of groups of 2 to 16: a trainer's own plan of a batch, on one process and on two."""
    alone = check_counts(guided_counts.counts(guided_counts.trainer_of(policy, tmp_path / "one")))
    torchrun("guided_counts.py", policy, tmp_path / "two.json")
    assert check_counts(json.loads((tmp_path / "two.json").read_text())) == alone > 1300


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
    one, other = noted(run, "state")
    assert one == other and len(one) == 4

    # Broken off after step 2 and gone on with: the same end, on both ranks.
    launch(policy, tmp_path / "broken", 2)
    resumed = launch(policy, tmp_path / "broken", 4)
    assert [toy.timeless(r) for r in resumed.metrics()][2:] == [toy.timeless(r) for r in rows][2:]
    assert resumed.rollouts() == rollouts
    assert resumed.weights() == run.weights()
    assert noted(resumed, "state") == noted(run, "state")
