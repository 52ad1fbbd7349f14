"""How often attributes are there, how many images it takes to have enough of a rare one, and whether those who score them agree.

Scores are (n,), NaN where missing; an image has an attribute where its score is above the threshold.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score, roc_auc_score

Scores = NDArray[np.floating]

ENOUGH = 100  # images on either side, for a direction of a hundred positives and as many negatives
RARE = 0.2  # share of the images that have it, or do not, below which an attribute is rare
OF_NONE = 3.0  # of n images of which none has it, so many may have had it at 95 % (the rule of three)
SURE = 25  # images, from which a share is known to about a fifth


@dataclass(frozen=True)
class Sides:
    """How many images are on either side of a threshold."""

    above: int
    below: int  # or at it

    @property
    def scored(self) -> int:
        return self.above + self.below

    @property
    def rarer(self) -> int:
        return min(self.above, self.below)

    @property
    def is_few(self) -> bool:
        """Whether one side has too few images."""
        return self.rarer < ENOUGH

    @property
    def is_rare(self) -> bool:
        """Whether that is so because the attribute, or its absence, is rare, and not because the set is small."""
        return self.is_few and self.rarer < RARE * self.scored

    @property
    def needed(self) -> int:
        """About how many images have enough on the rarer side; more than that where none of these is."""
        return rounded(ENOUGH * self.scored / (self.rarer or OF_NONE), 1 if self.rarer < SURE else 2)


def sides(scores: Scores, threshold: float) -> Sides | None:
    """Count both sides; None where no threshold is known, or nothing is scored."""
    there = scores[~np.isnan(scores)]
    if math.isnan(threshold) or not len(there):
        return None
    above = int((there > threshold).sum())
    return Sides(above, len(there) - above)


def rounded(number: float, digits: int) -> int:
    """Return a positive number to so many digits: 58,824 is 60,000 to one."""
    unit = 10 ** max(0, math.floor(math.log10(number)) + 1 - digits)
    return round(number / unit) * unit


@dataclass(frozen=True)
class Agreement:
    """Two who score one attribute."""

    n: int  # images that both have scored
    r: float  # Pearson's; NaN where either does not vary
    kappa: float  # Cohen's, of their sides; NaN where one knows none, or both see one side alone
    agreed: float  # share of the images that are on one side by both


def agreement(one: Scores, other: Scores, thresholds: tuple[float, float]) -> Agreement:
    """Compare two scores (n,) of the same images."""
    both = ~np.isnan(one) & ~np.isnan(other)
    a, b, n = one[both], other[both], int(both.sum())
    varies = n > 1 and np.ptp(a) > 0 and np.ptp(b) > 0
    r = float(np.corrcoef(a, b)[0, 1]) if varies else math.nan
    if not n or any(map(math.isnan, thresholds)):
        return Agreement(n, r, math.nan, math.nan)
    above, over = a > thresholds[0], b > thresholds[1]
    told = len(np.unique(np.concatenate([above, over]))) > 1
    return Agreement(n, r, float(cohen_kappa_score(above, over)) if told else math.nan, float((above == over).mean()))


@dataclass(frozen=True)
class Reliability:
    """What labels say where scores are low, and where they are high: bins of as many images each, by score."""

    n: int
    score: Scores  # (bins,) mean of the scores
    label: Scores  # (bins,) mean of the labels
    error: Scores  # (bins,) standard error of that
    auc: float  # of labels that are 0 or 1; NaN of others, or where all are alike


def reliability(scores: Scores, labels: Scores, bins: int = 10) -> Reliability | None:
    """Compare scores with labels (n,) of the same images; None where fewer than two images of a bin have both."""
    both = ~np.isnan(scores) & ~np.isnan(labels)
    s, told = scores[both].astype(np.float64), labels[both].astype(np.float64)
    if len(s) < 2 * bins:
        return None
    parts = [part for part in np.array_split(np.argsort(s, kind="stable"), bins)]
    binary = set(np.unique(told)) == {0.0, 1.0}
    alike = pd.Series(told).groupby(s).transform("mean").to_numpy()  # of equal scores, whichever bins they come into
    return Reliability(
        len(s),
        np.array([s[part].mean() for part in parts]),
        np.array([alike[part].mean() for part in parts]),
        np.array([told[part].std() / math.sqrt(len(part)) for part in parts]),
        float(roc_auc_score(told, s)) if binary else math.nan,
    )
