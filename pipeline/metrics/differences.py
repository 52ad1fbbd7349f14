"""The difference of two mean changes, with its standard error: of the same samples in pairs, or else by the two standard errors."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.metrics.intervals import in_steps, step_of


@dataclass(frozen=True)
class MeanChange:
    """A mean over n samples, and the standard deviation over them."""

    mean: float
    std: float
    n: int
    std_error: float = float("nan")  # where it is known to be another than these say

    @property
    def error(self) -> float:
        """Its standard error; NaN of fewer than two samples."""
        by_spread = float(self.std / np.sqrt(self.n)) if self.n > 1 else float("nan")
        return by_spread if np.isnan(self.std_error) else self.std_error


@dataclass(frozen=True)
class Difference:
    """What was measured later less what was measured before."""

    value: float
    error: float  # standard error; NaN where it is not known
    degrees: float  # of freedom, of the t distribution of value / error
    paired: bool

    def is_real(self, confidence: float, among: int = 1) -> bool:
        """Whether it is not chance, with this confidence over all differences `among` which it is looked for (Bonferroni).

        Never where its error is not known. Where the error is 0, as of catalogs that are the same, any difference is real.
        """
        quantile = student.ppf(1 - (1 - confidence) / (2 * among), self.degrees)
        return bool(abs(self.value) > quantile * self.error) if np.isfinite(self.error) else False


def by_standard_errors(before: MeanChange, after: MeanChange) -> Difference:
    """Return the difference of two means, its error by those of both (Welch 1947).

    That is right where the samples are others. Where they are the same ones it is too large, as far as their changes go together.
    """
    squares = np.array([before.error, after.error]) ** 2
    freedom = np.array([before.n, after.n]) - 1
    total = squares.sum()
    degrees = total**2 / (squares**2 / np.maximum(freedom, 1)).sum() if total > 0 else float(freedom.sum())
    return Difference(after.mean - before.mean, float(np.sqrt(total)), float(degrees), paired=False)


def in_pairs(before: np.ndarray, after: np.ndarray) -> Difference:
    """Return the mean difference of the changes (n,) of the same samples, in the same order, with the error of a paired t-test.

    Pairs of which one is missing (NaN) are left out. The value is NaN where none is left, the error of fewer than two. Changes that
    come in steps are never taken to differ by the same for certain: see intervals.py.
    """
    there = ~np.isnan(after - before)
    before, after = before[there], after[there]
    each, n = after - before, len(before)
    value = float(each.mean()) if n else float("nan")
    if n < 2:
        return Difference(value, float("nan"), 1.0, paired=True)
    std = in_steps(each.std(ddof=1), n, step_of(np.concatenate([before, after]))) if each.any() else 0.0
    return Difference(value, float(std / np.sqrt(n)), n - 1.0, paired=True)
