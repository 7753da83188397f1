"""Plot the accuracy of systems against their cost, as SVG in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from unillmrec.evaluation.statistics import Estimate

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 20, 46
# The share of the width for systems without tokens: a logarithmic axis has no zero.
FREE = 0.16
RADIUS = 11


@dataclass(frozen=True, slots=True)
class Point:
    """A system: its label, its tokens per person, its metric, and whether it is ours."""

    label: str
    tokens: float
    metric: Estimate
    ours: bool = False


def cost_plot(points: Sequence[Point], metric: str) -> str:
    """Return the plot; systems without tokens are in a separate band on the left."""
    paid = [point.tokens for point in points if point.tokens > 0] or [1_000.0, 10_000.0]
    low, high = math.floor(math.log10(min(paid))), math.ceil(math.log10(max(paid)) + 1e-9)
    high = max(high, low + 1)
    top = max((point.metric.high or point.metric.value or 0.0) for point in points) * 1.08 or 1.0
    free = [point for point in points if point.tokens <= 0]
    parts = [*_axes(low, high, top, metric)]
    for point in points:
        x = _x(point.tokens, low, high)
        if point.tokens <= 0:
            # Side by side: many of them have about the same accuracy.
            x += (free.index(point) - (len(free) - 1) / 2) * 2 * RADIUS * 0.72
        parts.append(_draw(point, x, top))
    label = escape(f"{metric} against prompt tokens")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


def _x(tokens: float, low: int, high: int) -> float:
    width = WIDTH - LEFT - RIGHT
    if tokens <= 0:
        return LEFT + width * FREE / 2
    share = (math.log10(tokens) - low) / (high - low)
    return LEFT + width * (FREE + (1 - FREE) * (0.04 + 0.92 * share))


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _axes(low: int, high: int, top: float, metric: str) -> list[str]:
    parts = []
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{value:.3f}</text>"
        )
    label_y = HEIGHT - BOTTOM + 20
    marks = [(_x(0, low, high), "no tokens")]
    marks += [
        (_x(10.0**power, low, high), _format_count(10**power)) for power in range(low, high + 1)
    ]
    for x, text in marks:
        parts.append(
            f'<text class="soft" x="{x:.1f}" y="{label_y}" text-anchor="middle">{text}</text>'
        )
    parts.append(
        f'<text class="soft" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">'
        "prompt tokens per person</text>"
    )
    parts.append(f'<text class="soft" x="{LEFT}" y="13">{escape(metric)}</text>')
    return parts


def _format_count(number: float) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1_000:g}k" if number >= 1_000 else f"{number:g}"


def _draw(point: Point, x: float, top: float) -> str:
    metric = point.metric
    y = _y(metric.value or 0.0, top)
    bar = ""
    if metric.low is not None and metric.high is not None:
        bar = (
            f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{_y(metric.high, top):.1f}" y2="{_y(metric.low, top):.1f}"/>'
        )
    style = ' class="ours"' if point.ours else ""
    return (
        f"<g{style}>{bar}"
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle">{escape(point.label)}</text></g>'
    )
