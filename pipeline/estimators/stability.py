"""The stability of a supervised direction: how much it owes to the samples that it happened to be fitted on.

The same fit on `resamples` of the samples gives directions to compare it with. A direction is a whole trajectory and its steps are
fitted apart, so a step leaves `inner_products`, and the sum over the steps makes the cosines of `Stability`.

Shapes: n samples, R resamples (all samples, two halves, B bootstraps), A attributes, D = C*H*W numbers of one step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.estimators.selection import Array, Selection, uniform

BOOTSTRAPS = 40
FEWEST = 5  # samples on either side of a threshold, below which there is no direction


def resamples(sample_ids: Sequence[int] | NDArray[np.integer], bootstraps: int = BOOTSTRAPS) -> NDArray[np.float64]:
    """Weights of the samples, (n, 3 + bootstraps): all of them, two halves, and bootstraps.

    Rubin's Bayesian bootstrap: exponential weights, of the mean and variance that counts of draws with replacement have, but
    never 0, so that a rare attribute keeps its positives. All weights of a sample follow from its id: other samples do not matter.
    """
    half = uniform("half", sample_ids) < 0.5
    drawn = -np.log(uniform("bootstrap 0", sample_ids, bootstraps))
    return np.hstack([np.ones_like(half), half, ~half, drawn])


def inner_products(vectors: Array) -> Array:
    """Directions of one step, (R, A, D) in the order of `resamples` -> (R, A, 3): with itself, with that of all samples, and
    with that of the first half. Sums over steps are those of trajectories. Without halves (R = 1), the last is with itself.
    """
    first_half = min(1, len(vectors) - 1)
    products = np.empty((*vectors.shape[:2], 3))
    for a in range(vectors.shape[1]):
        v = vectors[:, a].astype(np.float64)
        products[:, a] = np.stack([np.square(v).sum(axis=1), v @ v[0], v @ v[first_half]], axis=1)
    return products


@dataclass(frozen=True)
class Stability:
    """Cosines of trajectories, (A,) each; NaN where there were no such resamples, or one had nothing to fit."""

    split_half: Array  # of the directions that the two halves give
    bootstrap_low: Array  # of a bootstrap's direction to that of all samples: 5th percentile
    bootstrap_high: Array  # 95th

    @classmethod
    def of(cls, products: Array) -> "Stability":
        """products (R, A, 3): those of `inner_products`, summed over the steps."""
        R, A, _ = products.shape
        norms = np.sqrt(products[:, :, 0])
        with np.errstate(invalid="ignore", divide="ignore"):
            split_half = products[2, :, 2] / (norms[1] * norms[2]) if R > 2 else np.full(A, np.nan)
            cosines = products[3:, :, 1] / (norms[3:] * norms[0])
        low, high = np.percentile(cosines, [5, 95], axis=0) if R > 3 else np.full((2, A), np.nan)
        return cls(split_half, low, high)

    def row(self, a: int) -> dict[str, float | None]:
        """Columns of the directions table for one attribute; None where nothing is known."""
        known = {
            "split_half_cosine": self.split_half[a],
            "bootstrap_cosine_low": self.bootstrap_low[a],
            "bootstrap_cosine_high": self.bootstrap_high[a],
        }
        return {column: None if np.isnan(value) else float(value) for column, value in known.items()}


def check_enough(attribute: str, scores: Array, threshold: float = 0.0) -> None:
    """Raise ValueError, with the numbers, for an attribute that has too few examples on either side of its threshold.

    scores (n,), NaN where missing; a threshold of NaN, of a score that knows no border, is the median.
    """
    scored = scores[np.flatnonzero(~np.isnan(scores))]
    border = float(np.median(scored)) if np.isnan(threshold) and len(scored) else threshold
    check_sides(attribute, int((scored > border).sum()), int((scored <= border).sum()), border)


def check_sides(attribute: str, above: int, below: int, border: float) -> None:
    """The same, of samples that are counted: those with a score above the border, and those with one that is not."""
    if min(above, below) < FEWEST:
        raise ValueError(
            f"{attribute}: {above:,} of {above + below:,} scored samples are above {border:g} and {below:,} are not; "
            f"a direction needs at least {FEWEST} on either side.\nSample more, or leave the attribute out."
        )


def warnings_of(attribute: str, scores: Array, selection: Selection, threshold: float = 0.0) -> list[str]:
    """What a user of a direction from this selection should know, in words: scores (n,); a threshold of NaN knows no sides."""
    scored = scores[np.flatnonzero(~np.isnan(scores))]
    of_all = f"of {len(scored):,} samples have a score"
    n, lowest, highest = len(selection.positives), selection.threshold_positive, selection.threshold_negative

    warnings = []
    if lowest <= threshold:
        warnings.append(
            f"{attribute}: {int((scored > threshold).sum()):,} {of_all} above {threshold:g}, and the {n} positives reach down to "
            f"{lowest:.2g}: a direction from them will be poor. Sample more, or take fewer."
        )
    if highest > threshold:
        warnings.append(
            f"{attribute}: {int((scored <= threshold).sum()):,} {of_all} of {threshold:g} or less, and the {n} negatives reach up "
            f"to {highest:.2g}: a direction from them will be poor. Sample more, or take fewer."
        )
    if lowest <= highest:
        warnings.append(
            f"{attribute}: positives reach down to {lowest:.2g} and negatives up to {highest:.2g}: they overlap."
        )
    return warnings
