"""Charts as inline SVG: lines and stacked areas with axes and hover titles. Colours are CSS classes of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 34
_MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class Series:
    """A named curve; `values` stand at the chart's steps, None where there is none. `css` is its class."""

    name: str
    css: str
    values: Sequence[float | None]
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps steps and values to the picture's coordinates."""

    first: float
    last: float
    top: float

    def x(self, step: float) -> float:
        span = max(self.last - self.first, 1)
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (step - self.first) / span, 2)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(value / self.top, 1.0), 2)


def line_chart(
    steps: Sequence[int],
    series: Sequence[Series],
    *,
    label: str,
    write: Callable[[float], str],
    top: float | None = None,
) -> str:
    """Curves over steps, from 0 to `top` (a round number above the largest value when None)."""
    steps, series = _thinned(steps, series)
    known = [value for one in series for value in one.values if value is not None]
    frame = Frame(steps[0], steps[-1], top or round_top(max(known, default=1.0)))
    curves = "".join(_curve(frame, steps, one) for one in series)
    return _picture(label, _axes(frame, write) + curves + _bands(frame, steps, series, write))


def area_chart(
    steps: Sequence[int],
    layers: Sequence[Series],
    *,
    label: str,
    write: Callable[[float], str],
    overlay: Series | None = None,
) -> str:
    """Shares stacked from the bottom to 1; the overlay is hatched over the lowest layer. Missing counts as 0."""
    steps, every = _thinned(steps, [*layers, *([overlay] if overlay else [])])
    layers = every[: len(layers)]
    frame = Frame(steps[0], steps[-1], 1.0)
    floor = [0.0] * len(steps)
    areas = ""
    for layer in layers:
        ceiling = [low + (value or 0.0) for low, value in zip(floor, layer.values, strict=True)]
        areas += _area(frame, steps, floor, ceiling, f"area {layer.css}")
        floor = ceiling
    if overlay:
        values = [value or 0.0 for value in every[-1].values]
        areas += _area(frame, steps, [0.0] * len(steps), values, f"area {overlay.css}")
    return _picture(label, areas + _axes(frame, write) + _bands(frame, steps, every, write))


def whisker(value: float | None, ci95: Sequence[float] | None) -> str:
    """A small picture of a share with its interval on the scale from 0 to 1; nothing when either is not known."""
    if value is None or not ci95:
        return ""
    low, high = (round(4 + 152 * bound, 1) for bound in ci95)
    at = round(4 + 152 * value, 1)
    return (
        '<svg class="whisker" viewBox="0 0 160 16" width="160" height="16" aria-hidden="true">'
        '<line class="scale" x1="4" x2="156" y1="8" y2="8"/>'
        f'<line class="range" x1="{low}" x2="{high}" y1="8" y2="8"/><circle class="mean" cx="{at}" cy="8" r="4"/></svg>'
    )


def round_top(value: float) -> float:
    """The smallest number not below `value` whose fifths are short to write: 1, 1.5, 2, ... times a power of ten."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * factor for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if unit * factor >= value * (1 - 1e-9))


def ticks(first: float, last: float, most: int = 6) -> list[int]:
    """At most `most` + 1 round steps between `first` and `last`."""
    need = max(last - first, 1) / most
    apart = next(f * 10**power for power in range(18) for f in (1, 2, 5) if f * 10**power >= need)
    return list(range(math.ceil(first / apart) * apart, math.floor(last) + 1, apart))


def _thinned(steps: Sequence[int], series: Sequence[Series]) -> tuple[list[int], list[Series]]:
    """Means of neighbours when there are more steps than a picture can show; a bin stands at its last step."""
    if len(steps) <= _MAX_POINTS:
        return list(steps), list(series)
    edges = [round(i * len(steps) / _MAX_POINTS) for i in range(_MAX_POINTS + 1)]
    cuts = [slice(a, b) for a, b in pairwise(edges)]
    thin = [Series(s.name, s.css, [_mean(s.values[cut]) for cut in cuts], s.dots) for s in series]
    return [steps[cut.stop - 1] for cut in cuts], thin


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _picture(label: str, inside: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{inside}</svg>'


def _axes(frame: Frame, write: Callable[[float], str]) -> str:
    lines = []
    for i in range(6):
        value = frame.top * i / 5
        y = frame.y(value)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5}" text-anchor="end">{escape(write(value))}</text>'
        )
    for step in ticks(frame.first, frame.last):
        x = frame.x(step)
        lines.append(f'<text class="tick" x="{x}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="middle">{step}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    lines.append(f'<text class="tick" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">step</text>')
    return "".join(lines)


def _curve(frame: Frame, steps: Sequence[int], series: Series) -> str:
    """A polyline over the known points (held-out points lie apart and are joined), with dots when asked for."""
    points = [(frame.x(s), frame.y(v)) for s, v in zip(steps, series.values, strict=True) if v is not None]
    path = " ".join(f"{x},{y}" for x, y in points)
    marks = points if series.dots or len(points) == 1 else []
    dots = "".join(f'<circle class="dot {series.css}" cx="{x}" cy="{y}" r="3.2"/>' for x, y in marks)
    return f'<polyline class="line {series.css}" points="{path}"/>{dots}'


def _area(frame: Frame, steps: Sequence[int], floor: Sequence[float], ceiling: Sequence[float], css: str) -> str:
    if not any(high > low for low, high in zip(floor, ceiling, strict=True)):
        return ""
    upper = [f"{frame.x(s)},{frame.y(v)}" for s, v in zip(steps, ceiling, strict=True)]
    lower = [f"{frame.x(s)},{frame.y(v)}" for s, v in zip(steps, floor, strict=True)]
    return f'<polygon class="{css}" points="{" ".join(upper + lower[::-1])}"/>'


def _bands(frame: Frame, steps: Sequence[int], series: Sequence[Series], write: Callable[[float], str]) -> str:
    """A transparent strip for each step that has anything to tell, titled with its values."""
    strips = []
    places = [frame.x(step) for step in steps]
    for i, step in enumerate(steps):
        told = [f"{one.name} {write(value)}" for one in series if (value := one.values[i]) is not None]
        if told:
            left = _LEFT if i == 0 else (places[i - 1] + places[i]) / 2
            right = WIDTH - _RIGHT if i == len(steps) - 1 else (places[i] + places[i + 1]) / 2
            size = f'x="{left:.2f}" y="{_TOP}" width="{right - left:.2f}" height="{HEIGHT - _TOP - _BOTTOM}"'
            title = escape("\n".join([f"step {step}", *told]))
            strips.append(f'<rect class="band" {size}><title>{title}</title></rect>')
    return "".join(strips)
