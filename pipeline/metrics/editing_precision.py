"""Editing Precision Ratio: how much an edit changes its target beside everything else (CASL, He et al. 2026, arXiv 2601.15441).

With f the logits of classifiers of an image before (x) and after (x') an edit, over N images and L attributes that are no target:

    D_target = 1/N sum_i |f_target(x'_i) - f_target(x_i)|
    D_others = 1/L sum_j 1/N sum_i |f_j(x'_i) - f_j(x_i)|
    EPR      = D_target / (D_others + 1e-8)

The absolute value is taken of each image, so what scores do at random counts on both sides: of an edit that does nothing in
particular it is about 1, not 0, and it does not tell a rise of the target from a fall.
"""

import numpy as np
from scipy.stats import norm

EPSILON = 1e-8  # of the definition


def editing_precision_ratio(target: np.ndarray, others: np.ndarray) -> float:
    """Return EPR from the changes of each image: of the target (n,), and of L other attributes (n, L). NaN is not measured."""
    return ratio(float(np.nanmean(np.abs(target))), np.nanmean(np.abs(others), axis=0))


def ratio(target: float, others: np.ndarray) -> float:
    """Return EPR from mean absolute changes: of the target, and of L other attributes (L,). NaN without others."""
    known = others[np.isfinite(others)]
    return float(target / (known.mean() + EPSILON)) if len(known) else float("nan")


def mean_absolute(mean: float | np.ndarray, std: float | np.ndarray) -> np.ndarray:
    """Return the mean |change| of normal changes of these means and standard deviations: that of the folded normal distribution.

    E|x| = s sqrt(2 / pi) exp(-m^2 / 2 s^2) + m (1 - 2 Phi(-m / s)), after Leone, Nelson, Nottingham 1961. It stands in for the mean
    absolute change where the changes of single images are not at hand.
    """
    mean, std = np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(std, dtype=np.float64))
    z = np.divide(mean, std, out=np.full(mean.shape, np.inf), where=std > 0)
    spread = std * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2)
    return np.where(
        std > 0, spread + mean * (1 - 2 * norm.cdf(-z)), np.abs(mean) + 0 * std
    )  # NaN where the spread is not known
