"""Significance: whether a direction does more than a random one of its norm, over as many tests as an evaluation makes.

One test is a cell of the table that a reader sees: a direction, at a strength, on an attribute, by a judge. Its hypothesis is that
the direction is one more random one of its norm. Random effects are taken as normal around 0, with the spread of the random
directions that were measured (metrics.control), and the effect's own sampling error counts beside it: |effect| must exceed
sqrt((t_c s_c)^2 + (t_e s_e)^2), each t at its own degrees of freedom. That is never too small where both are normal (Banerjee
1960). The p-value is the least level at which it is exceeded.

Random directions do not move every attribute around 0: some change one way whatever is done to the image. Where the opposite
strength was measured, too, of this direction and of the random ones, the odd part (e(+s) - e(-s)) / 2 is tested as well, in which a
random direction is symmetric by construction, since it may as well be its own opposite. The p-value is then twice the smaller of
the two (Bonferroni). Where one sign alone was measured, that effect is tested, around 0: what moves one way then makes the spread
larger and costs power, but no false discoveries.

The family is all cells of an evaluation by one judge, which is what one looks over to find what moves. Of those that are called
significant at q <= `FALSE`, no more than that share are false on average (Benjamini and Hochberg 1995; tests that share their
controls depend positively on one another, for which it holds: Benjamini and Yekutieli 2001). Whether a direction does anything at
all is one test of all of its cells (Simes 1986).
"""

import numpy as np
import pandas as pd
from scipy.special import stdtrit
from scipy.stats import norm as normal

from pipeline.metrics.control import ControlSpread, control_spreads

FALSE = 0.01  # share of the effects that are called significant which may be false
CONFIDENCE = 0.99  # of the control limit: what one more random direction stays under
# Levels between which p-values are interpolated, as normal deviates; beyond the last is the least p-value that a float has:
DEVIATES = np.concatenate([np.linspace(0, 6, 121), np.geomspace(6, 37, 61)[1:]])
LEVELS = normal.sf(DEVIATES)


def beside_control(table: pd.DataFrame, controls: pd.DataFrame, norms: dict[str, float]) -> pd.DataFrame:
    """`table`, of metrics.effects, with what schemas.effects says of the control: its limit, p-values, and what is significant.

    controls: effects of random directions, of this evaluation or others; norms: of all directions, over the whole trajectory.
    """
    norm = (table["strength"].abs() * table["direction"].map(norms)).to_numpy(float)
    limit, p = (np.full(len(table), np.nan) for _ in range(2))
    for judge, own in controls.groupby("judge", sort=False):
        of_effect = control_spreads(own, norms)
        of_odd = control_spreads(own, norms, "odd") if "odd" in own and "odd" in table else {}
        for attribute, spread in of_effect.items():
            rows = np.flatnonzero((table["judge"] == judge) & (table["attribute"] == attribute))
            limit[rows] = -stdtrit(spread.freedom, (1 - CONFIDENCE) / 2) * spread.at(norm[rows])
            p[rows] = _p_values(table.iloc[rows], norm[rows], spread, of_odd.get(attribute))
    p[table["control"].to_numpy(bool)] = np.nan
    table = table.assign(control_limit=limit, p_value=p)
    q = table.groupby("judge", sort=False)["p_value"].transform(lambda own: q_values(own.to_numpy()))
    significant = (q <= FALSE).astype(object).where(q.notna(), None)
    anything = table.groupby(["judge", "direction"], sort=False)["p_value"].transform(lambda own: simes(own.to_numpy()))
    found = table.assign(q_value=q, significant=significant, direction_p_value=anything)
    return found.drop(columns=["odd_std", "odd_n"], errors="ignore")


def _p_values(table: pd.DataFrame, norm: np.ndarray, spread: ControlSpread, of_odd: ControlSpread | None) -> np.ndarray:
    known = table["std_error"] * np.sqrt(table["n"]) if "std_error" in table else table["std"]
    p = _p(table["effect"], known, table["n"], norm, spread)
    if of_odd is None:
        return p
    odd = _p(table["odd"], table["odd_std"], table["odd_n"], norm, of_odd)
    return np.where(np.isnan(odd), p, np.minimum(1, 2 * np.fmin(p, odd)))


def _p(effect: pd.Series, std: pd.Series, n: pd.Series, norm: np.ndarray, spread: ControlSpread) -> np.ndarray:
    """Of effects with a sampling error; 1 where that is not known, as of a single sample, and NaN without an effect."""
    count = n.to_numpy(float)
    error = np.where(count > 1, std.to_numpy(float) / np.sqrt(np.maximum(count, 1)), np.nan)
    p = p_value(
        effect.to_numpy(float), spread.at(norm), np.full(len(norm), spread.freedom), error, np.maximum(count - 1, 1)
    )
    return np.where(effect.isna(), np.nan, np.where(np.isnan(error), 1.0, p))


def p_value(
    effect: np.ndarray, spread: np.ndarray, freedom: np.ndarray, error: np.ndarray, freedom_of_error: np.ndarray
) -> np.ndarray:
    """Return the least level at which |effect| exceeds what its control's spread and its own error allow together, all (n,).

    NaN where any of them is. The least is some 1e-300.
    """
    size = np.abs(effect)
    with np.errstate(invalid="ignore"):
        allowed = np.hypot(_quantiles(freedom) * spread[:, None], _quantiles(freedom_of_error) * error[:, None])
    allowed = np.where(np.isnan(allowed), np.inf, allowed)  # a spread of 0 that is carried too far to be known
    rows = np.arange(len(size))
    at = np.clip((allowed < size[:, None]).sum(axis=1) - 1, 0, len(DEVIATES) - 2)
    low, high = allowed[rows, at], allowed[rows, at + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(at > 0, np.log(size / low) / np.log(high / low), size / high)
    deviate = DEVIATES[at] + np.clip(np.nan_to_num(share), 0, 1) * (DEVIATES[at + 1] - DEVIATES[at])
    return np.where(np.isnan(size + spread + error), np.nan, 2 * normal.sf(deviate))


def _quantiles(freedom: np.ndarray) -> np.ndarray:
    """Quantiles of Student's t with these degrees of freedom (n,) at the levels of `DEVIATES`: (n, levels)."""
    each, place = np.unique(freedom, return_inverse=True)
    return np.asarray(-stdtrit(each[:, None], LEVELS))[place]


def q_values(p: np.ndarray) -> np.ndarray:
    """Return the least false discovery rates at which tests (n,) are discoveries (Benjamini and Hochberg 1995); NaN of NaN."""
    q = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")[::-1]]
    q[order] = np.minimum.accumulate(p[order] * len(known) / np.arange(len(known), 0, -1)) if len(known) else []
    return q


def simes(p: np.ndarray) -> float:
    """Return the p-value of all hypotheses of tests (n,) at once (Simes 1986): least of n p_(i) / i. NaN where none is known."""
    known = np.sort(p[~np.isnan(p)])
    return float(np.min(len(known) * known / np.arange(1, len(known) + 1))) if len(known) else np.nan
