"""Numbers and small pictures: hand-worked cases, and what must hold of every input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgpo_cli.display import words
from sgpo_cli.display.bars import CLASSES, bins, group_bar, group_legend, progress_bar, sparkline, split_groups


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.019, "19 ms"),
        (0.42, "0.4 s"),
        (48.2, "48 s"),
        (59.7, "1 min 00 s"),
        (130, "2 min 10 s"),
        (11100, "3 h 05 min"),
        (100 * 3600 - 1, "99 h 59 min"),
        (1_000_000, "12 days"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.999, ">99%"), (1.0, "100%")]
)
def test_a_percentage_is_never_rounded_to_nothing_or_all(value: float | None, text: str) -> None:
    assert words.percent(value) == text


def test_intervals_rates_and_clocks() -> None:
    assert words.interval([0.8412, 0.8825]) == "[0.841, 0.882]"
    assert words.interval(None) == words.interval([]) == "–"
    assert words.rate(1.904) == "1.9/s" and words.rate(0.04, "rows") == "2.4 rows/min"
    assert words.clock(725) == "12:05" and words.clock(11100) == "3:05:00" and words.clock(None) == "-:--"
    assert words.span([40, 80]) == "40 s to 1 min 20 s" and words.span([2.0, 2.01]) == "2.0 s"


@given(st.text())
def test_visible_text_keeps_its_length_and_has_no_control_characters(text: str) -> None:
    seen = words.visible(text)
    assert len(seen) == len(text)
    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in seen)
    seen.encode("utf-8")


counts = st.integers(0, 500)
ledgers = st.fixed_dictionaries({key: counts for key, _, _ in CLASSES})


@given(ledgers, st.integers(1, 80))
def test_a_group_bar_is_exactly_as_wide_as_asked(groups: dict[str, int], width: int) -> None:
    assert len(group_bar(groups, width=width).plain) == width


def test_rescued_groups_are_drawn_as_part_of_the_all_negative_ones() -> None:
    groups = {"total": 32, "all_correct": 2, "mixed": 10, "all_negative": 20, "ungraded": 0, "rescued": 14}
    assert split_groups(groups)["all_negative"] == 6
    assert group_bar(groups, width=32).plain == "█" * 2 + "▓" * 10 + "▒" * 14 + "░" * 6
    assert group_legend(groups).plain == "█ 2 all-correct  ▓ 10 mixed  ▒ 14 rescued  ░ 6 all-negative"


@given(st.lists(st.none() | st.floats(0, 1), max_size=300), st.integers(1, 40))
def test_a_sparkline_fits_and_shows_gaps(values: list[float | None], width: int) -> None:
    assert len(sparkline(values, width=width)) <= width
    assert len(bins(values, width)) == min(width, len(values))


def test_a_sparkline_by_hand() -> None:
    assert sparkline([0.0, None, 0.5, 1.0], top=1.0) == "▁ ▅█"
    assert sparkline([]) == sparkline([None]) == ""


def test_a_progress_bar_without_a_total_is_empty() -> None:
    assert progress_bar(3, None, width=4).plain == "╌╌╌╌"
    assert progress_bar(3, 4, width=4).plain == "━━━╌"
