"""Supervised directions from arrays: Eq. 11's difference of means, linear discriminants, and linear classifiers.

Shapes: n samples, D = C*H*W numbers of one step, A attributes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score

Array = NDArray[np.floating]

ALPHAS = (1e1, 1e2, 1e3, 1e4, 1e5)  # regularisers of standardised h, to choose from


@dataclass(frozen=True)
class Selection:
    """The positives and negatives of one attribute: rows of the samples, most typical first."""

    positives: NDArray[np.intp]  # (n,)
    negatives: NDArray[np.intp]  # (n,)
    threshold_positive: float  # lowest score among the positives
    threshold_negative: float  # highest score among the negatives


def select(scores: Array, n: int) -> Selection:
    """The n highest and the n lowest of scores (samples,); missing scores (NaN) are left out, ties broken by row.

    Raises ValueError if fewer than 2n scores are there.
    """
    scored = np.flatnonzero(~np.isnan(scores))
    if n < 1 or len(scored) < 2 * n:
        raise ValueError(
            f"{n} positives and {n} negatives need at least {2 * n} scored samples and n >= 1; there are {len(scored)}."
        )
    ordered = scored[np.argsort(scores[scored], kind="stable")]
    negatives, positives = ordered[:n], ordered[::-1][:n]
    return Selection(positives, negatives, float(scores[positives[-1]]), float(scores[negatives[-1]]))


def mean_difference(h: Array, selection: Selection) -> Array:
    """Eq. 11: v = 1/n sum (q+ - q-). h (samples, D) -> v (D,), float64."""
    positives = h[selection.positives].mean(axis=0, dtype=np.float64)
    return positives - h[selection.negatives].mean(axis=0, dtype=np.float64)


def linear_discriminants(h: Array, scores: Array, shrinkage: float) -> Array:
    """How h (n, D) moves when one of the scores (n, A) rises alone, weighed against how h varies anyway: (A, D) float64.

    Fisher's discriminants, for scores that need not be classes. Least squares on all scores at once gives each one's pattern
    B in h, with the others held fixed, and what is left of h the covariance S within. The direction is S_s^-1 B, where
    S_s = (1 - s) S + s I with s the shrinkage: 1 is the pattern alone, an adjusted difference of means; near 0, what h varies
    in anyway is avoided.
    h is standardised inside (so S has trace D) and the result scaled back to its units. S is never formed: the inverse is taken in
    the span of the n samples. No score may be missing.
    """
    std = h.std(axis=0) + 1e-6
    centred = scores - scores.mean(axis=0)
    H = (h - h.mean(axis=0)).astype(np.float64) / std
    B = np.linalg.lstsq(centred, H, rcond=None)[0]  # (A, D)
    if shrinkage == 1:
        return B * std
    R = H - centred @ B  # (n, D), S = R^T R / n
    R *= np.sqrt(H.shape[1] / np.square(R).sum() * (1 - shrinkage))
    gram = R @ R.T + shrinkage * np.eye(len(R))  # Woodbury: (R^T R + s I)^-1 = (I - R^T (R R^T + s I)^-1 R) / s
    return (B - np.linalg.solve(gram, R @ B.T).T @ R) / shrinkage * std


@dataclass(frozen=True)
class Classifiers:
    """Linear classifiers of one step, one an attribute."""

    normals: Array  # (A, D), in the units of h: the score rises fastest along the normal
    held_out: Array  # (n, A), decision values of each sample by a classifier that was fitted without it


def linear_classifiers(h: Array, scores: Array, alphas: tuple[float, ...] = ALPHAS) -> Classifiers:
    """Least-squares classifiers (ridge) of h (n, D) for scores (n, A), all attributes at once; no score may be missing.

    h and scores are standardised inside; the normals are scaled back to the units of h. The regulariser is chosen for each
    attribute by leave-one-out R2, and the predictions left out that way are `held_out`.
    """
    mean, std = h.mean(axis=0), h.std(axis=0) + 1e-6
    y = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    ridge = RidgeCV(list(alphas), alpha_per_target=True, scoring="r2", store_cv_results=True).fit((h - mean) / std, y)
    chosen = [alphas.index(alpha) for alpha in np.broadcast_to(ridge.alpha_, y.shape[1])]
    left_out = ridge.cv_results_.reshape(len(h), y.shape[1], len(alphas))
    held_out = left_out[:, np.arange(y.shape[1]), chosen]
    return Classifiers(ridge.coef_.reshape(y.shape[1], -1) / std, held_out)


def auc(decisions: Array, selection: Selection) -> float:
    """How well decisions (n,) tell the positives from the negatives of a selection: area under the ROC curve."""
    rows = np.concatenate([selection.positives, selection.negatives])
    labels = np.arange(len(rows)) < len(selection.positives)
    return float(roc_auc_score(labels, decisions[rows]))
