"""Histograms, as the numbers that histogram.html.j2 draws: where bars, ticks and the threshold lie, in pixels."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.catalog.report.charts import Axis, Tick, number_ticks

BINS, FEW = 40, 12  # bars; values of which each has its own bar
OUTER = 0.001  # share of the scores, at either end, that is drawn in the last bar
SIZE = (470, 220)


@dataclass(frozen=True)
class Bar:
    """A bar in pixels, and what it stands for."""

    left: float
    top: float
    width: float
    height: float
    n: int


@dataclass(frozen=True)
class Histogram:
    """Bars over a grid, in pixels."""

    width: int
    height: int
    x: Axis
    y: Axis
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    threshold: float | None  # None where none is known, or it lies far from all scores


def histogram(scores: np.ndarray, threshold: float, size: tuple[int, int] = SIZE) -> Histogram | None:
    """Draw scores (n,), NaN where missing; None where there are none. Scores beyond the ends count with the last bars."""
    there = scores[~np.isnan(scores)]
    if not len(there):
        return None
    edges, ticks = _edges(there, threshold)
    low, high = float(edges[0]), float(edges[-1])
    counts, _ = np.histogram(there.clip(edges[0], edges[-1]), edges)
    width, height = size
    y_ticks = [(value, f"{value:,.0f}") for value, _ in number_ticks(0, float(counts.max()), 3) if value == int(value)]
    x = Axis(low, high, 52, width - 8)
    y = Axis(0, max(float(counts.max()), y_ticks[-1][0]), height - 30, 22)
    bars = tuple(
        Bar(x(low), y(n), round(max(1.0, x(high) - x(low) - 1), 1), round(y.start - y(n), 1), int(n))
        for low, high, n in zip(edges, edges[1:], counts, strict=False)
        if n
    )
    shown = not math.isnan(threshold) and low <= threshold <= high
    return Histogram(
        *(width, height, x, y),
        tuple((x(value), text) for value, text in ticks if low <= value <= high),
        tuple((y(value), text) for value, text in y_ticks),
        bars,
        x(threshold) if shown else None,
    )


def _edges(there: np.ndarray, threshold: float) -> tuple[np.ndarray, list[Tick]]:
    """Where bars begin and end, and the ticks below them."""
    distinct = np.unique(there)
    if len(distinct) <= FEW:
        gap = float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
        if gap * 40 >= np.ptp(distinct):
            edges = np.unique(np.concatenate([distinct - gap / 3, distinct + gap / 3]))
            named = [(float(value), f"{value:.3g}".replace("-", "−")) for value in distinct]
            return edges, named
    low, high = (float(each) for each in np.quantile(there, (OUTER, 1 - OUTER)))
    low, high = (low, high) if low < high else (float(there.min()), float(there.max()))
    span = high - low
    if low - span <= threshold <= high + span:
        low, high = min(low, threshold), max(high, threshold)
    return np.linspace(low, high, BINS + 1), number_ticks(low, high)
