"""How many rollouts of each group a trainer starts from a prefix, at every size and share; on one rank or two.

Run by torchrun with a policy and a file to write, it counts on both ranks, which share every batch.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import guided_toy

from sgpo_cli.methods.guidance import load_guidance
from sgpo_cli.methods.guidance.allocate import guided_count
from sgpo_cli.training.guiding import Guide
from sgpo_cli.training.trl_compat import gathered

SIZES = range(2, 17)
FRACTIONS = [percent / 100 for percent in range(1, 101)]
PROBLEMS = {1: 2, 2: 3}
"""Problems a batch, by ranks; three on two ranks leave a group on both, where its size is even."""


def trainer_of(policy: Path, folder: Path) -> Any:
    return guided_toy.build(guided_toy.recipe(guided_toy.fixed(1), steps=1), policy, folder)


def counts(trainer: Any) -> Iterator[tuple[int, float, list[list[int]]]]:
    """For every size and share: the prefixes' lengths of each group of one batch, all ranks together."""
    accelerator = trainer.accelerator
    ranks, rank = accelerator.num_processes, accelerator.process_index
    for size in SIZES:
        problems = PROBLEMS[ranks] + (ranks == 2 and size % 2)  # both ranks hold equally many rows
        batch = [trainer.train_dataset[number] for number in range(problems) for _ in range(size)]
        share = len(batch) // ranks
        mine = batch[rank * share : (rank + 1) * share]
        for fraction in FRACTIONS:
            if not guided_count(fraction, size):
                continue
            config = guided_toy.fixed(1, fraction=fraction)
            trainer.guide = Guide(
                config,
                schedule=load_guidance(config, seed=0, steps=1),
                group_size=size,
                budget=6,
                tokenizer=trainer.processing_class,
            )
            injection = trainer.before_rollouts(mine)
            everyone = [len(prefix) for prefix in gathered(list(injection.prefixes))]
            yield size, fraction, [everyone[i : i + size] for i in range(0, len(everyone), size)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(Path(sys.argv[1]), Path(folder))
        found = list(counts(trainer))
    assert trainer.accelerator.num_processes == 2
    if trainer.accelerator.is_main_process:
        Path(sys.argv[2]).write_text(json.dumps(found))
