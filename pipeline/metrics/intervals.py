"""Intervals at 95 %: of an effect, and of the ratio of an effect to the largest effect on anything else.

An effect is a mean change over the held-out samples in units of the attribute's standard deviation over the unedited samples.
Both are estimated: the interval is effect +- sqrt((t s_e)^2 + (z u effect)^2), with s_e the standard error of the mean and u the
relative standard error of the unit, sqrt((kurtosis - 1) / (4 N)) over N samples. The unit's share matters where an effect is far
larger than its error: with 128 samples behind the unit an effect of 20 standard errors is covered by less than 80 % of intervals
without it.

A judge may say no more than yes or no, or how many. Of a few such scores all change alike by chance, which is no certainty: so
their changes are taken to vary as with two more samples, which are off the mean by one step to either side. Of 7, 14 and 28 samples
of which 97 % change intervals cover 19, 35 and 57 % without these, and all with them; of which half change 98, 99 and 96 %. Scores
without steps are not touched by it.

A ratio of two means has no interval of the form a +- b: Fieller's (1954) is the set of ratios r for which the mean of x - r y may
be 0. It has no upper end where the mean of y may itself be 0. The largest of several other effects is not known to be the one
that looks it: the lower end is the least over all others, which covers whichever is the largest, and so is the upper end, at a
level that all may be asked at together (Bonferroni).

Shapes: n samples, A attributes.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

Numbers = np.ndarray | float

TAIL = 0.025  # that is left out at either end


def half_width(effect: Numbers, std: Numbers, n: Numbers, unit_error: Numbers = 0.0) -> np.ndarray:
    """Return by how much an effect may be off to either side, all (k,); NaN of fewer than two samples.

    std: of the change over n samples; unit_error: relative standard error of the unit, NaN where it is not known and not counted.
    """
    effect, std, n = (np.asarray(values, float) for values in (effect, std, n))
    sampling = -stdtrit(np.maximum(n - 1, 1), TAIL) * std / np.sqrt(np.maximum(n, 1))
    of_unit = -ndtri(TAIL) * np.nan_to_num(unit_error) * effect
    return np.where(n > 1, np.hypot(sampling, of_unit), np.nan)


def step_of(scores: Numbers) -> float:
    """Return the least difference between any two of some scores (k,) that differ; 0 where none do. NaN is no score."""
    each = np.unique(np.asarray(scores, float))
    each = each[np.isfinite(each)]
    return float(np.diff(each).min()) if len(each) > 1 else 0.0


def in_steps(std: Numbers, n: Numbers, step: Numbers) -> np.ndarray:
    """Return the standard deviations of changes over n samples, all (k,), of scores that come in steps: never 0 by luck alone."""
    std, n, step = (np.asarray(values, float) for values in (std, n, step))
    more = np.sqrt((np.maximum(n - 1, 0) * std**2 + 2 * np.nan_to_num(step) ** 2) / (n + 1))
    return np.where(std >= more, std, more + 0 * std)  # NaN, of fewer than two, stays NaN


def unit_error(scores: pd.Series) -> float:
    """Return the relative standard error of the standard deviation of scores; NaN of scores that never vary."""
    known = scores.dropna().to_numpy(float)
    away = known - known.mean() if len(known) else known
    variance = float(np.mean(away**2)) if len(known) else 0.0
    if not variance > 0:
        return np.nan
    kurtosis = float(np.mean(away**4)) / variance**2
    return float(np.sqrt(max(kurtosis - 1, 0) / (4 * len(known))))


def ratio_interval(
    x: np.ndarray, y: np.ndarray, var_x: np.ndarray, var_y: np.ndarray, cov: np.ndarray, t: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return Fieller's ends of |x| / |y|, of means with these variances and this covariance, all (k,): (low, high).

    t: quantile that each end is at. The low end is 0 where x may be 0, the high one infinity where y may be.
    """
    cov = cov * np.sign(x) * np.sign(y)
    x, y, g = np.abs(x), np.abs(y), np.square(t)
    a, b, c = y**2 - g * var_y, x * y - g * cov, x**2 - g * var_x
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (b - root) / a, (b + root) / a
        nearest = np.where(
            a > 0, one, np.minimum(np.abs(one), np.abs(other))
        )  # where y may be 0, its sign is not known
        straight = np.where(b > 0, c / (2 * b), np.inf)  # the one end of a set whose other is at infinity
    low = np.where(c > 0, np.where(a == 0, straight, nearest), 0.0)
    return np.maximum(low, 0.0), np.where(a > 0, other, np.inf)


def over_the_largest_other(changes: np.ndarray, unit_errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ends of |effect| over the largest |effect| on any other attribute, (A,) each: (low, high).

    changes: (n, A) of each sample, in units; what has a NaN is left out. NaN where fewer than two samples, or no others, are left.
    """
    whole = changes[~np.isnan(changes).any(axis=1)]
    n, attributes = whole.shape
    if n < 2 or attributes < 2:
        return np.full(attributes, np.nan), np.full(attributes, np.nan)
    mean, cov = whole.mean(axis=0), np.cov(whole, rowvar=False) / n
    var = np.diag(cov) + np.square(mean * np.nan_to_num(unit_errors))
    i, j = np.nonzero(~np.eye(attributes, dtype=bool))  # each beside each other one, in the order of the first
    ends = [
        ratio_interval(mean[i], mean[j], var[i], var[j], cov[i, j], -stdtrit(n - 1, tail))
        for tail in (TAIL, TAIL / (attributes - 1))
    ]
    low, high = ends[0][0], ends[1][1]
    return low.reshape(attributes, -1).min(axis=1), high.reshape(attributes, -1).min(axis=1)
