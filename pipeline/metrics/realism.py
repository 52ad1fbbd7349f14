"""Realism: whether the images of an edit still look like the model's own, which an edit must not lose more than a little of.

That is a question of non-inferiority: not whether a loss can be shown, which few samples never do, but whether it can be shown to
be small. Three things are asked, each image beside its own unedited counterpart, so that what the samples have of it themselves,
and the error of that, cancel: how often it lies on the manifold of unedited samples (at least `PRECISION` as often as unedited),
how likely it shows what the model is of (at least `PRESENCE` of that), and how many of its values are clipped (at most `CLIPPED`
more). With the mean over samples of edited - share * unedited:

- realistic is *yes* where its 95 % lower bound (t, one-sided) is above 0 for everything that was measured,
- *no* where the mean itself is below 0 for anything: more likely lost than not,
- *not known* in between: it looks well on too few samples to say. A valid range goes on there, and ends at a no.

Precision is 0 or 1 an image, and presence mostly, so that a few samples without any loss would have no spread: one pair that loses
it and one that gains it are added (Agresti and Min 2005). Of unedited samples, of which 90 % are on the manifold, 28 are shown to
be realistic as a rule; 7 are not known to be, nor are 14 where presence is asked for: of an edit that loses it in one image of ten,
14 show no loss in a quarter of all draws.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import t as student

PRECISION = 0.8  # share of the precision of unedited samples (Kynkäänniemi et al. 2019) that an edit keeps
PRESENCE = 0.9  # share of the mean probability that images show what the model is of
CLIPPED = 0.05  # so many more of the values may be at 0 or 255
TAIL = 0.05  # of the bound: how often an edit at the border is said to be realistic
CHANCE = 1.645  # standard errors that few images of an edit at the border lose by chance in 5 % of cases

Excess = Callable[
    [np.ndarray, np.ndarray], np.ndarray
]  # edited and unedited (n,) -> what there is beyond the border (n,)
ASKED: dict[str, Excess] = {
    "precision": lambda edited, unedited: edited - PRECISION * unedited,
    "presence": lambda edited, unedited: edited - PRESENCE * unedited,
    "clipped": lambda edited, unedited: unedited + CLIPPED - edited,
}
ADDED = np.array([[0.0, 1.0], [1.0, 0.0]])  # of what is all or nothing: edited, and unedited, of two more pairs
ALL_OR_NOTHING = 0.02  # from 0 or 1, that half of the values of such are within, at least


def realistic(edited: pd.DataFrame, unedited: pd.DataFrame) -> bool | None:
    """Return whether the images of an edit still look like the model's own; None where that is not known.

    edited, unedited: a row an image, in the same order, with the columns of `ASKED`; what was not measured is NaN, and not asked
    for.
    """
    shown = True
    for name, excess in ASKED.items():
        pairs = np.stack([table[name].to_numpy(float) for table in (edited, unedited)])
        pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
        if not pairs.shape[1]:
            continue
        if excess(*pairs).mean() < -1e-9:  # a mean at the border is not below it
            return False
        more = np.concatenate([pairs, ADDED], axis=1) if name != "clipped" and _all_or_nothing(pairs) else pairs
        shown &= bool(_lower(excess(*more), pairs.shape[1] - 1) > 0)
    return True if shown else None


def _all_or_nothing(values: np.ndarray) -> bool:
    """Whether these are yes or no, as a rule, and not shares of which all have a little more or less."""
    return bool(np.median(np.minimum(np.abs(values), np.abs(1 - values))) <= ALL_OR_NOTHING)


def _lower(values: np.ndarray, freedom: int) -> float:
    """The one-sided lower bound of the mean of values; of a single one there is none."""
    if freedom < 1:
        return -np.inf
    spread = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - student.ppf(1 - TAIL, freedom) * spread)


def realistic_by_edit(changes: pd.DataFrame, edit: list[str]) -> pd.Series:
    """Return `realistic` by edit, from rows of schemas.scores.CHANGES: True, False, or None where it is not known."""
    unedited = changes[changes["direction"] == "unedited"].set_index("sample_id")
    groups = changes.groupby(edit, sort=False)
    found = {
        key: realistic(own, unedited.reindex(own["sample_id"])) if key[0] != "unedited" else True for key, own in groups
    }
    index = pd.MultiIndex.from_tuples(list(found), names=edit)
    return pd.Series(list(found.values()), index=index, dtype=object, name="realistic")


def losses(preservation: pd.DataFrame) -> np.ndarray:
    """Return for each row how much less its images look like the model's own than an edit's at the border, in standard errors.

    The largest of what was measured; infinite where too much is clipped. preservation: rows of schemas.preservation, that of
    unedited samples among them. A search tries few images, measures nothing that is published, and goes on until something is lost
    by more than `CHANCE`, which 95 % of edits at the border are not.
    """
    unedited = preservation.loc[preservation["direction"] == "unedited"].iloc[0]
    clipped = preservation["clipped"] > unedited["clipped"] + CLIPPED
    lost = [np.where(clipped, np.inf, -np.inf)]
    for column, share in (("precision", PRECISION), ("presence", PRESENCE)):
        expected = share * unedited[column]
        error = np.sqrt(expected * (1 - expected) / preservation["n"])
        own = (expected - preservation[column]) / error
        lost.append(own.fillna(-np.inf).to_numpy(dtype=float))  # what was not measured is not asked
    return np.max(lost, axis=0)
