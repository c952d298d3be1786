"""Long rows and short rows scored apart: the same figures as together, and no padding behind the short ones."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.training.two_widths import Scored, score_in_two, split_rows


@given(st.lists(st.integers(1, 40), min_size=2, max_size=30))
def test_two_parts_hold_every_row_and_the_least_padding(lengths: list[int]) -> None:
    short, long = split_rows(torch.tensor(lengths))
    assert len(short) and len(long)
    assert sorted([*short.tolist(), *long.tolist()]) == list(range(len(lengths)))
    assert max(lengths[i] for i in short) <= min(lengths[i] for i in long)
    cells = len(short) * max(lengths[i] for i in short) + len(long) * max(lengths)
    ordered = sorted(lengths)
    assert cells == min(k * ordered[k - 1] + (len(ordered) - k) * ordered[-1] for k in range(1, len(ordered)))


def test_one_row_is_one_part() -> None:
    assert [part.tolist() for part in split_rows(torch.tensor([7]))] == [[0]]


def _made_up(widths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows behind prompts of 2 or 3 tokens, padded on both sides to 3 + 6 columns."""
    mask = torch.tensor([[int(row % 2 == 0), 1, 1, *[1] * n, *[0] * (6 - n)] for row, n in enumerate(widths)])
    return torch.arange(mask.numel()).reshape(mask.shape) * mask, mask


def test_figures_stay_where_they_were() -> None:
    """A score that depends on all before it, on its row and on its column, so that a shift or a swap would show."""
    ids, mask = _made_up([2, 6, 2, 1, 5, 2])
    seen: list[tuple[int, int]] = []

    def score(part: torch.Tensor, attended: torch.Tensor, kept: int) -> Scored:
        seen.append(tuple(part.shape))
        places = torch.arange(part.size(1))
        logps = ((part * places).cumsum(1) * attended).double()[:, -kept:]
        return logps, -logps

    together = score(ids, mask, 6)
    seen.clear()
    apart = score_in_two(score, ids, mask, 6)
    assert torch.equal(apart[0], together[0])
    assert apart[1] is not None and together[1] is not None and torch.equal(apart[1], together[1])
    assert seen == [(4, 5), (2, 9)], "two narrow rows would do with 3 + 2 columns"


def test_rows_that_are_masked_out_whole_do_no_harm() -> None:
    ids, mask = _made_up([3, 0, 0, 3])
    widths: list[int] = []

    def score(part: torch.Tensor, attended: torch.Tensor, kept: int) -> Scored:
        widths.append(kept)
        assert part.size(1) == attended.size(1) == 3 + kept
        return (part * attended).double()[:, -kept:], None

    logps, entropies = score_in_two(score, ids, mask, 6)
    assert entropies is None and widths == [1, 3]
    assert torch.equal(logps, (ids * mask)[:, -6:].double())


def test_the_gradient_of_every_row_arrives() -> None:
    ids, mask = _made_up([2, 6, 2, 5])
    weight = torch.ones(1, dtype=torch.double, requires_grad=True)

    def score(part: torch.Tensor, attended: torch.Tensor, kept: int) -> Scored:
        return (weight * part * attended)[:, -kept:], None

    logps, _ = score_in_two(score, ids, mask, 6)
    logps.sum().backward()
    assert weight.grad is not None and weight.grad.item() == (ids * mask)[:, -6:].sum().item()
