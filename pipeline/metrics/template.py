"""Is an edit semantic, or a template? A template changes the same pixels of every sample; a meaning moves with what a sample shows.

Two figures of a direction at one strength, over samples:

- `pasted`: the share of the change image that is the same in all samples, |mean change|^2 / mean |change|^2. That quotient q is
  1/n of changes that have nothing in common; (n q - 1) / (n - 1), which is the mean product of two samples' changes over the mean
  square of one, is 0 of them, however few they are. It is taken over the pairs that lie in one part, so no image is kept.
- `follows`: how far the change moves when the sample does, in pixels a pixel: the slope, over samples, of the centre of the squared
  change by the centre of the sample's foreground. 1 goes along with it, 0 stays where it is. It is not known where the samples are
  too few, or all in one place.

What goes with a sample's pose counts as not the same: about the mean pose it is 0 on average, and so in no mean change. Taking it
out of the changes themselves would leave the mean alone and lessen the whole, so that of all edits those that move with the pose
looked more like templates.

An edit can be right and yet look like a template, where samples are aligned: a colour of what is in the same place in all of them.
Where a program drew the images, a change of one factor alone is pasted by .04 to .55, but by .89 where it is one colour for all;
the mean change, added to every image, by .86 to 1.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pipeline.metrics.preservation import Pairs

FIGURES = ("pasted", "follows")
CENTRE, FOREGROUND = ("change_x", "change_y"), ("foreground_x", "foreground_y")
CHANGED = ("change", "shared", *CENTRE, *FOREGROUND)  # columns of schemas.scores.CHANGES that these are told by
PASTED = 0.8  # share of the change from which an edit is a template rather than anything else, ...
FOLLOWS = 0.5  # ... unless it is known to go along with the sample by as much
FEWEST = 6  # samples: the changes of fewer are alike by chance
SURE = 0.25  # standard error up to which a slope is known


def is_template(pasted: float | None, follows: float | None) -> bool:
    """Whether an edit is more of a template than of a meaning; what is not known (None or NaN) tells nothing."""
    return pasted is not None and pasted >= PASTED and not (follows is not None and follows >= FOLLOWS)


def of_images(pairs: "Pairs", edits: np.ndarray) -> dict[str, np.ndarray]:
    """Return what changes in each image, and where, by the columns `CHANGED`. edits: (n,), which of them a pair is of."""
    columns = np.full((len(pairs.before), len(CHANGED)), np.nan)
    for edit in np.unique(edits):
        rows = np.flatnonzero(edits == edit)
        columns[rows, :4] = _of_edit(pairs, rows)
    if pairs.foreground is not None:
        columns[:, 4:] = [centre(mask) for mask in pairs.foreground]
    return dict(zip(CHANGED, columns.T, strict=True))


def _of_edit(pairs: "Pairs", rows: np.ndarray) -> np.ndarray:
    """Return (m, 4): the mean square of each change, its mean product with the m - 1 others, and its centre."""
    total = np.zeros(pairs.before.shape[1:])
    for i in rows:
        total += _change(pairs, i)
    found = np.empty((len(rows), 4))
    for row, i in zip(found, rows, strict=True):
        change = _change(pairs, i)
        square = np.square(change)
        others = (change * (total - change)).mean() / (len(rows) - 1) if len(rows) > 1 else np.nan
        row[:] = (square.mean(), others, *centre(square.sum(axis=-1)))
    return found


def _change(pairs: "Pairs", i: int) -> np.ndarray:
    return pairs.after[i].astype(np.float64) - pairs.before[i]


def centre(weights: np.ndarray) -> tuple[float, float]:
    """Return x and y in pixels of the centre of weights (H, W); NaN where they are all 0, or not known."""
    total = weights.sum(dtype=np.float64)
    if not total > 0:
        return np.nan, np.nan
    height, width = weights.shape
    return float(weights.sum(axis=0) @ np.arange(width) / total), float(weights.sum(axis=1) @ np.arange(height) / total)


def template(changes: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return `pasted` and `follows` by edit, from rows of schemas.scores.CHANGES."""
    groups = changes.groupby(by, sort=False)[list(CHANGED)]
    return groups.apply(lambda own: pd.Series({"pasted": pasted(own), "follows": follows(own)}))


def pasted(changes: pd.DataFrame) -> float:
    """Return the share of the change that is the same in all images of an edit, 0 to 1; NaN of fewer than `FEWEST`, or of none."""
    whole = changes["change"].mean()
    if len(changes) < FEWEST or not whole > 0:
        return np.nan
    return float(np.clip(changes["shared"].mean() / whole, 0, 1))


def follows(changes: pd.DataFrame) -> float:
    """Return how far the change moves as the foreground does, in pixels a pixel; NaN where that is not known to `SURE`."""
    at = changes[[*CENTRE, *FOREGROUND]].dropna().to_numpy(float)
    if len(at) < FEWEST:
        return np.nan
    change, sample = np.split(at - at.mean(axis=0), 2, axis=1)
    moved = np.square(sample).sum()
    if not moved > 0:
        return np.nan
    slope = (change * sample).sum() / moved
    freedom = 2 * len(at) - 3  # but for two means and the slope
    error = np.sqrt(np.square(change - slope * sample).sum() / freedom / moved)
    return float(slope) if error <= SURE else np.nan
