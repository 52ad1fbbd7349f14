"""Effects of edits: from judges' scores to how far each direction moves its target, and everything else.

An *effect* is a mean change in standard deviations of the attribute over unedited samples. *On target* is the direction's own
attribute, *off target* the largest absolute effect on any other. Scores are tables of schemas.scores, effects of schemas.effects.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

CLEAN = 1 / 3  # off target as a share of on target, up to which an edit counts as clean
CONFIDENCE = 0.99  # with which an effect is called significant: beyond the control, and its own sampling error

READING = ["judge", "attribute"]
EDIT = ["direction", "control", "strength_index", "strength"]  # which edit a row is of


def effects(scores: pd.DataFrame, std: pd.Series) -> pd.DataFrame:
    """Mean and spread of (edited - unedited), each image against its unedited counterpart, in units of `std` by (judge, attribute).

    scores: of edits and of their unedited counterparts, joined on sample_id. Returns schemas.effects but for what
    `beside_control` adds.
    """
    groups = changes(scores).groupby([*EDIT, *READING], sort=False)
    table = groups["raw"].agg(raw="mean", std="std", n="count").join(_over_seeds(groups)).reset_index()
    unit = _unit(table, std)
    spreads = {column: table[column] / unit for column in ("std", "std_over_seeds")}
    return table.assign(effect=table["raw"] / unit, **spreads)


def changes(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of edited images, with `raw`: edited - unedited."""
    unedited = scores["direction"] == "unedited"
    counterparts = scores[unedited].set_index(["sample_id", *READING])["score"]
    edited = scores[~unedited]
    own = counterparts.reindex(pd.MultiIndex.from_frame(edited[["sample_id", *READING]]))
    return edited.assign(raw=edited["score"].to_numpy() - own.to_numpy())


def _over_seeds(groups: pd.api.typing.DataFrameGroupBy) -> pd.Series:
    """Standard deviation of the mean changes of single seeds; NaN where there is one seed."""
    keys = [*EDIT, *READING]
    by_seed = groups.obj.groupby([*keys, "seed"], sort=False)["raw"].mean()
    return by_seed.groupby(keys, sort=False).std().rename("std_over_seeds")


def _unit(table: pd.DataFrame, std: pd.Series) -> np.ndarray:
    """The standard deviation of each row's attribute; NaN of one that never varies, by which nothing can be measured."""
    return std.where(std > 0).reindex(pd.MultiIndex.from_frame(table[READING])).to_numpy()


# The control

STEEPEST = 2.0  # power of the norm by which control limits grow past the largest that was measured: no slower than was ever seen
APART = 1.5  # ratio of the largest norm to the smallest from which the power between them can be told


def beside_control(table: pd.DataFrame, controls: pd.DataFrame, norms: dict[str, float]) -> pd.DataFrame:
    """`table` with `control_limit` and `significant`: whether each effect is beyond what random directions of its norm do.

    controls: effects of random directions, of this evaluation or others; norms: of all directions, over the whole trajectory. The
    control limit is the prediction interval of one more random direction at the effect's own norm (`ControlLimit`). An effect is
    significant beyond it and its own sampling error together.
    """
    norm = (table["strength"].abs() * table["direction"].map(norms)).to_numpy(float)
    limit = np.full(len(table), np.nan)
    for judge, own in controls.groupby("judge", sort=False):
        for attribute, of_attribute in control_limits(own, norms).items():
            rows = np.flatnonzero((table["judge"] == judge) & (table["attribute"] == attribute))
            limit[rows] = of_attribute.at(norm[rows])
    error = student.ppf((1 + CONFIDENCE) / 2, np.maximum(table["n"] - 1, 1)) * table["std"] / np.sqrt(table["n"])
    beyond = table["effect"].abs() > np.hypot(limit, np.where(table["n"] > 1, error, np.inf))
    significant = beyond.astype(object).where(~(np.isnan(limit) | table["control"] | table["effect"].isna()), None)
    return table.assign(control_limit=limit, significant=significant)


@dataclass(frozen=True)
class ControlLimit:
    """What one more random direction stays under, by the norm of the offset.

    Effects of random directions are taken as normal around 0, with a spread that grows as a power of the norm.
    """

    largest: float  # norm that was measured
    there: float  # the limit at that norm
    power: float

    def at(self, norm: np.ndarray) -> np.ndarray:
        share = norm / self.largest
        return self.there * np.where(share > 1, share ** max(self.power, STEEPEST), share**self.power)


def control_limits(controls: pd.DataFrame, norms: dict[str, float]) -> dict[str, ControlLimit]:
    """Return control limits by attribute, from the effects of random directions by one judge. The power is one for all."""
    table = controls.assign(
        norm=controls["strength"].abs() * controls["direction"].map(norms), square=controls["effect"] ** 2
    ).dropna(subset="square")
    if table.empty:
        return {}
    power, largest = _power(table), float(table["norm"].max())
    table["there"] = table["square"] * (largest / table["norm"]) ** (2 * power)
    spread = table.groupby(["attribute", "direction"], sort=False)["there"].mean()  # its strengths tell much the same
    found = {}
    for attribute, squares in spread.groupby("attribute", sort=False):
        t = student.ppf((1 + CONFIDENCE) / 2, len(squares))  # their mean is known to be 0
        found[str(attribute)] = ControlLimit(largest, float(t * np.sqrt(squares.mean())), power)
    return found


def _power(table: pd.DataFrame) -> float:
    """Return the power by which effects of random directions grow with the norm: slope of their logarithms, attributes apart.

    1 where the norms are too near to each other to tell; that is too little above the largest of them, and too much below.
    """
    edits = table.groupby(["attribute", "direction", "norm"], sort=False)["square"].mean().reset_index()
    edits = edits[edits["square"] > 0]
    if edits.empty or edits["norm"].max() < APART * edits["norm"].min():
        return 1.0
    x, y = np.log(edits["norm"]), np.log(edits["square"]) / 2
    x, y = (values - values.groupby(edits["attribute"]).transform("mean") for values in (x, y))
    return max(0.0, float((x * y).sum() / (x**2).sum()))


def largest_control(table: pd.DataFrame) -> pd.Series:
    """The largest absolute effect of any random direction at any strength, by attribute."""
    controls = table[table["control"]]
    return controls.assign(effect=controls["effect"].abs()).groupby("attribute")["effect"].max()


# On and off target, by one judge


def matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Return effects as a row a (direction, strength_index, strength), a column an attribute."""
    return table.pivot(index=["direction", "strength_index", "strength"], columns="attribute", values="effect")


def on_and_off_target(table: pd.DataFrame, targets: dict[str, str]) -> pd.DataFrame:
    """Return on_target, off_target, their ratio and all effects of every direction in `targets` (name -> attribute) and strength.

    on_target has the sign of the strength taken out: > 0 means that the direction does what its name says, both ways. Directions
    whose target was not judged are left out.
    """
    judged = set(table.loc[table["effect"].notna(), "attribute"])
    known = [name for name, target in targets.items() if target in judged]
    wide = matrix(table[table["direction"].isin(known)]).reset_index()
    attributes = [column for column in wide.columns if column not in EDIT]
    values = wide[attributes].to_numpy()
    target = np.array([attributes.index(targets[name]) for name in wide["direction"]], dtype=int)
    rows = np.arange(len(wide))
    on = values[rows, target] * np.sign(wide["strength"].to_numpy())
    others = np.abs(values)
    others[rows, target] = 0
    off = np.nanmax(others, axis=1) if len(wide) else on
    ratio = np.divide(on, off, out=np.where(on > 0, np.inf, 0.0), where=off > 0)
    return wide.assign(target=wide["direction"].map(targets), on_target=on, off_target=off, ratio=ratio)


def best_strengths(table: pd.DataFrame, targets: dict[str, str]) -> pd.DataFrame:
    """One row a direction, in the order of `targets`: the strength with the largest clean effect, or else the best ratio.

    Among clean edits (off target at most a third of on target) the largest on_target; where none is clean, the largest ratio.
    """
    rows = on_and_off_target(table, targets)
    rows = rows.assign(clean=rows["off_target"] <= CLEAN * rows["on_target"])
    rows["rank"] = np.where(rows["clean"], rows["on_target"], rows["ratio"])
    ordered = rows.sort_values(["clean", "rank"], ascending=False, kind="stable").drop_duplicates("direction")
    return (
        ordered.set_index("direction")
        .loc[[name for name in targets if name in set(rows["direction"])]]
        .drop(columns="rank")
    )


# Directions of single images


def transfer(own: pd.DataFrame, others: pd.DataFrame, std: pd.Series) -> pd.DataFrame:
    """What each edit does to the sample that its direction was found on, beside what it does to held-out samples.

    own, others: scores of edits and of their unedited counterparts, as `effects` takes them, at the same strengths; `others` may
    have more directions. Returns the columns of schemas.transfer.
    """
    edit = ["direction", "strength_index", *READING]
    mine = changes(own).rename(columns={"raw": "own"})[[*edit, "sample_id", "own"]]
    both = changes(others).drop(columns="sample_id").merge(mine, on=edit)
    product = both["raw"] * both["own"]
    both["same_way"] = (product > 0).astype(float).where(product.notna())
    groups = both.groupby([*edit, "strength", "sample_id", "own"], sort=False, dropna=False)
    table = groups.agg(others=("raw", "mean"), same_way=("same_way", "mean"), n=("raw", "count")).reset_index()
    unit = _unit(table, std)
    return table.assign(own=table["own"] / unit, others=table["others"] / unit)
