"""The stability of a supervised direction: how near it is to the one that ever more samples would give.

The same fit on two halves of the samples gives two directions with errors of their own, and their cosine says how large these are.
(The cosine of a direction to those of resamples of the same samples does not: they share its error, and noise alone gets .7.)

A direction is a whole trajectory and its steps are fitted apart, so a step leaves `inner_products`, and their sum over the steps
makes the cosines of `Stability`.

Shapes: n samples, R = 1 + 2 P resamples (all samples, and P pairs of halves), A attributes, D = C*H*W numbers of one step.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.estimators.halves import partners
from pipeline.estimators.selection import Array, Selection

FEWEST = 5  # samples on either side of a threshold, below which there is no direction
COLUMNS = ("split_half_cosine", "expected_cosine", "expected_cosine_low", "expected_cosine_high")
POOR = 0.5  # expected cosine below which a direction is warned of


def inner_products(vectors: Array) -> Array:
    """Directions of one step, (R, A, D) in the order of `halves.resamples` -> (R, A, 2): with itself, and with its other half's.

    Sums over steps are those of trajectories.
    """
    products = np.empty((*vectors.shape[:2], 2))
    others = list(partners(len(vectors)))
    for a in range(vectors.shape[1]):
        v = vectors[:, a].astype(np.float64)
        products[:, a] = np.stack([np.square(v).sum(axis=1), (v * v[others]).sum(axis=1)], axis=1)
    return products


def expected_cosine(split_half: Array, times: float = 2.0) -> Array:
    """Return the cosine of a direction to the one that ever more samples would give, from that of halves to each other.

    A half gives v + e with the error e, and s, the cosine of two halves, is about |v|^2 / (|v|^2 + |e|^2). All samples, k = `times`
    as many, would have the cosine k s / (1 + (k - 1) s) to as many others (Spearman 1910, Brown 1910; of halves k = 2). To v, which
    has no error, it is the root of that (Spearman 1904: attenuation). Together sqrt(2 s / (1 + s)); 0 where s is not above 0.

    |e|^2 is taken to fall as 1 / n, as that of a mean does. Classifiers that are hardly regularised learn less from more samples,
    and theirs is too high where the signal is strong: by .05 of 160 planted samples of 8,000 features, by .09 of 240 of 2,000.
    """
    s = np.clip(split_half, 0, 1)
    return np.sqrt(times * s / (1 + (times - 1) * s))


@dataclass(frozen=True)
class Stability:
    """Cosines of trajectories, (A,) each; NaN where there were no such halves, or none had anything to fit."""

    split_half: Array  # of the directions that two halves give to each other, a mean over the pairs
    expected: Array  # of the direction to the one that ever more samples would give
    lowest: Array  # the same by the pair of halves that agree least
    highest: Array  # by those that agree most

    @classmethod
    def of(cls, products: Array, times: float = 2.0) -> "Stability":
        """products (R, A, 2): those of `inner_products`, summed over the steps; times: how many halves all samples make."""
        with np.errstate(invalid="ignore", divide="ignore"):
            cosines = products[1::2, :, 1] / np.sqrt(products[1::2, :, 0] * products[2::2, :, 0])  # (P, A)
        found = ~np.isnan(cosines)
        some, several = found.any(axis=0), found.sum(axis=0) > 1
        mean = np.where(some, np.where(found, cosines, 0).sum(axis=0) / np.maximum(1, found.sum(axis=0)), np.nan)
        low = np.where(several, np.where(found, cosines, np.inf).min(axis=0, initial=np.inf), np.nan)
        high = np.where(several, np.where(found, cosines, -np.inf).max(axis=0, initial=-np.inf), np.nan)
        return cls(mean, *(expected_cosine(each, times) for each in (mean, low, high)))

    def row(self, a: int) -> dict[str, float | None]:
        """Columns of the directions table for one attribute; None where nothing is known."""
        values = (each[a] for each in (self.split_half, self.expected, self.lowest, self.highest))
        return {
            column: None if np.isnan(value) else float(value) for column, value in zip(COLUMNS, values, strict=True)
        }

    def warnings(self, a: int, name: str) -> list[str]:
        """What a user of the direction of that name should know, in words."""
        if not self.expected[a] < POOR:
            return []
        return [
            f"{name}: two halves of the samples give directions of cosine {self.split_half[a]:.2f}, so that the cosine of this one "
            f"to what ever more samples would give is expected to be {self.expected[a]:.2f}: most of it is noise. Sample more."
        ]


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
