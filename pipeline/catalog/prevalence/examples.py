"""Images that show what a score means: those at both ends of it, and those at its threshold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.batches import batches
from pipeline.catalog.prevalence.scored_images import Images
from pipeline.formats.images import thumbnail

EACH = 6  # images of an end, or at the threshold
PIXELS = 96  # of a side
TOGETHER = 64  # images in memory


@dataclass(frozen=True)
class Examples:
    """Some rows of the scores, with what they have in common and what they score."""

    what: str
    rows: tuple[int, ...]
    low: float
    high: float


def examples(scores: np.ndarray, threshold: float) -> tuple[Examples, ...]:
    """Choose rows of scores (n,), NaN where missing: the lowest, those nearest to the threshold, or the median, the highest.

    Of rows that score alike they are taken evenly over the set.
    """
    there = np.flatnonzero(~np.isnan(scores))
    if not len(there):
        return ()
    order = there[np.argsort(scores[there], kind="stable")]
    distinct = np.unique(scores[there])
    if len(distinct) <= 2:
        alike = [order[scores[order] == value] for value in distinct]
        return tuple(
            _of(what, scores, _end(rows, scores)) for what, rows in zip(("Lowest", "Highest"), alike, strict=False)
        )
    ends = [_of("Lowest", scores, _end(order, scores)), _of("Highest", scores, _end(order[::-1], scores))]
    border = float(np.median(scores[there])) if math.isnan(threshold) else threshold
    below, above = order[scores[order] <= border], order[scores[order] > border]
    near = np.concatenate([_end(below[::-1], scores, EACH // 2)[::-1], _end(above, scores, EACH // 2)])
    return ends[0], _of("Median" if math.isnan(threshold) else "At the threshold", scores, near), ends[1]


def _of(what: str, scores: np.ndarray, rows: np.ndarray) -> Examples:
    return Examples(what, tuple(map(int, rows)), float(scores[rows].min()), float(scores[rows].max()))


def _end(order: np.ndarray, scores: np.ndarray, n: int = EACH) -> np.ndarray:
    """The first n rows of an order by score; where the last of them are some of many that score alike, evenly among these."""
    if len(order) <= n:
        return order
    last = scores[order[n - 1]]
    surely = order[:n][scores[order[:n]] != last]
    alike = np.sort(order[scores[order] == last])
    wanted = n - len(surely)
    return np.concatenate([surely, alike[np.arange(wanted) * len(alike) // wanted]])


def pictures(chosen: Sequence[Examples], images: Images) -> dict[int, bytes]:
    """A thumbnail of each row of these, read in the order of the set, some at a time."""
    rows = sorted({row for each in chosen for row in each.rows})
    found: dict[int, bytes] = {}
    for some in batches(len(rows), TOGETHER):
        wanted = rows[some]
        found |= {row: thumbnail(image, PIXELS) for row, image in zip(wanted, images(wanted), strict=True)}
    return found
