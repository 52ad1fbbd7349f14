"""What comparisons over several models share: the models, means with intervals over what was repeated, bounded ratios.

A ratio of off to on target is compared as its logarithm, so that no single attribute decides a mean, and is cut off at WORST: an
edit that moves something else by three times its target, or its target the other way, is a failure, and how large a failure says
nothing.

What is repeated over seeds is repeated for the same attributes: whether an estimator is better for *other* attributes is told by
how it differs between attributes. So intervals of what is to hold for everybody are over (model, attribute), each a mean over its
seeds.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from pipeline.domains.portraits.run import PORTRAITS
from pipeline.metrics.intervals import TAIL
from schemas.run import Run

WORST = 3.0  # off over on target, at most

DIGITS = "pipeline.domains.digits.annotators"
RUNS = {  # the bundled models; each is labelled and judged by its own, and by the same number of others
    "portraits": PORTRAITS.model_copy(update={"judge": ("portraits-judge",), "region": ("image",)}),
    "portraits-open-skips": PORTRAITS.model_copy(
        update={"model": "portraits-open-skips", "judge": ("portraits-judge",), "region": ("image",)}
    ),
    "digits": Run(
        model="digits",
        annotator=f"{DIGITS}:annotator",
        judge=(f"{DIGITS}:judge",),
        attributes=("slant", "stroke_width", "zero", "seven"),
    ),
}


class Mean(NamedTuple):
    """A mean and the ends of its interval; both NaN of fewer than two values."""

    value: float
    low: float
    high: float

    def times(self) -> "Mean":
        """Of logarithms, what they are of."""
        return Mean(*(float(np.exp(each)) for each in self))

    def ratio(self) -> "Mean":
        """The same of logarithms of `log_ratio`, none of which is above that of WORST."""
        return Mean(*(min(each, WORST) for each in self.times()))

    def text(self, form: str = ".2f") -> str:
        if np.isnan(self.value):
            return ""
        if np.isnan(self.low):
            return f"{self.value:{form}}"
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def mean_of(values: Iterable[float], tail: float = TAIL) -> Mean:
    """The mean of values and its t interval, which leaves out `tail` at either end; what is NaN is left out."""
    known = np.array([value for value in values if np.isfinite(value)], dtype=float)
    if len(known) < 2:
        return Mean(float(known[0]) if len(known) else np.nan, np.nan, np.nan)
    width = -stdtrit(len(known) - 1, tail) * known.std(ddof=1) / np.sqrt(len(known))
    return Mean(float(known.mean()), float(known.mean() - width), float(known.mean() + width))


def mean_over(table: pd.DataFrame, column: str, repeated: Sequence[str], tail: float = TAIL) -> Mean:
    """The mean of a column, with the interval over what was repeated: each a mean over all else."""
    return mean_of(table.groupby(list(repeated))[column].mean(), tail)


def log_ratio(on: float, off: float) -> float:
    """The logarithm of off over on target, of at most WORST; where the target does not move its way, that of WORST."""
    if not on > 0:
        return float(np.log(WORST))
    return float(np.log(np.clip(off / on, 1e-3, WORST)))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
