"""Randomness that belongs to one sample: a stream of uniform numbers for each row, from a seed of its own.

With it a sampled answer does not depend on which other prompts share its batch (but for the rounding of the forward
pass), so samples can be added to an evaluation, or drawn again one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, device

_AHEAD = 64


class RowNoise:
    """Numbers in [0, 1): one for each row and step. Drawn on the CPU, so that a seed means the same everywhere."""

    def __init__(self, seeds: Sequence[int], on: device) -> None:
        import torch

        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._device = on
        self._ahead = torch.zeros(len(seeds), _AHEAD, dtype=torch.float64)
        self._used = _AHEAD

    def next(self, alive: Sequence[int]) -> Tensor:
        """The next number of each row in `alive`, shape (len(alive),); rows not asked for any more stay behind."""
        import torch

        if self._used == _AHEAD:
            for row in alive:
                self._ahead[row] = torch.rand(_AHEAD, generator=self._generators[row], dtype=torch.float64)
            self._used = 0
        self._used += 1
        return self._ahead[list(alive), self._used - 1].to(self._device)


def pick(shares: Tensor, uniform: Tensor) -> Tensor:
    """The token at which each row's cumulated shares pass its number. shares: (rows, vocabulary); returns (rows,)."""
    import torch

    cumulated = shares.double().cumsum(1)
    wanted = uniform.unsqueeze(1) * cumulated[:, -1:]
    # The first place above: a token of share 0 is never one.
    return torch.searchsorted(cumulated, wanted, right=True).squeeze(1).clamp(max=shares.shape[1] - 1)
