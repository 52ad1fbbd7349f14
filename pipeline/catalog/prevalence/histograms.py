"""Histograms, as the numbers that charts.js draws: bars, the ticks below them, and the threshold."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.catalog.web.charts import Tick, finite

BINS, FEW = 40, 12  # bars; values of which each has its own bar
OUTER = 0.001  # share of the scores, at either end, that is drawn in the last bar


@dataclass(frozen=True)
class Histogram:
    """Bars (from, to, images); ticks are None where round numbers do."""

    bars: tuple[tuple[float, float, int], ...]
    ticks: tuple[Tick, ...] | None
    threshold: float | None  # None where none is known, or it lies far from all scores

    def spec(self) -> dict[str, Any]:
        """The histogram as JSON has it."""
        return finite(asdict(self))


def histogram(scores: np.ndarray, threshold: float) -> Histogram | None:
    """Draw scores (n,), NaN where missing; None where there are none. Scores beyond the ends count with the last bars."""
    there = scores[~np.isnan(scores)]
    if not len(there):
        return None
    edges, ticks = _edges(there, threshold)
    counts, _ = np.histogram(there.clip(edges[0], edges[-1]), edges)
    bars = [(float(low), float(high), int(n)) for low, high, n in zip(edges, edges[1:], counts, strict=False)]
    shown = not math.isnan(threshold) and edges[0] <= threshold <= edges[-1]
    return Histogram(tuple(bar for bar in bars if bar[2]), ticks, threshold if shown else None)


def _edges(there: np.ndarray, threshold: float) -> tuple[np.ndarray, tuple[Tick, ...] | None]:
    """Where bars begin and end, and the ticks below them."""
    distinct = np.unique(there)
    if len(distinct) <= FEW:
        gap = float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
        if gap * 40 >= np.ptp(distinct):
            edges = np.unique(np.concatenate([distinct - gap / 3, distinct + gap / 3]))
            return edges, tuple((float(value), f"{value:.3g}".replace("-", "−")) for value in distinct)
    low, high = (float(each) for each in np.quantile(there, (OUTER, 1 - OUTER)))
    low, high = (low, high) if low < high else (float(there.min()), float(there.max()))
    span = high - low
    if low - span <= threshold <= high + span:
        low, high = min(low, threshold), max(high, threshold)
    return np.linspace(low, high, BINS + 1), None
