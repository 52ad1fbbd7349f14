"""Effects of edits: from judges' scores to how far each direction moves its target, and everything else.

An *effect* is a mean change in standard deviations of the attribute over unedited samples. *On target* is the direction's own
attribute, *off target* the largest absolute effect on any other. Scores are tables of schemas.scores, effects of schemas.effects.
"""

import numpy as np
import pandas as pd
from scipy.stats import t as student

CLEAN = 1 / 3  # off target as a share of on target, up to which an edit counts as clean
CONFIDENCE = 0.99  # with which an effect is called clear of the control, and of its own sampling error

READING = ["judge", "attribute"]
EDIT = ["direction", "control", "strength"]


def effects(scores: pd.DataFrame, std: pd.Series) -> pd.DataFrame:
    """Mean and spread of (edited - unedited), each image against its own unedited twin, in units of `std` by (judge, attribute).

    scores: of edits and of their unedited twins, joined on sample_id. Returns schemas.effects but for `limit` and `clear`.
    """
    groups = changes(scores).groupby([*EDIT, *READING], sort=False)
    table = groups["raw"].agg(raw="mean", std="std", n="count").join(_over_seeds(groups)).reset_index()
    unit = _unit(table, std)
    spreads = {column: table[column] / unit for column in ("std", "std_over_seeds")}
    return table.assign(effect=table["raw"] / unit, **spreads)


def changes(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of edited images, with `raw`: edited - unedited."""
    unedited = scores["direction"] == "unedited"
    twins = scores[unedited].set_index(["sample_id", *READING])["score"]
    edited = scores[~unedited]
    own = twins.reindex(pd.MultiIndex.from_frame(edited[["sample_id", *READING]]))
    return edited.assign(raw=edited["score"].to_numpy() - own.to_numpy())


def _over_seeds(groups: pd.api.typing.DataFrameGroupBy) -> pd.Series:
    """Standard deviation of the mean changes of single seeds; NaN where there is one seed."""
    keys = [*EDIT, *READING]
    by_seed = groups.obj.groupby([*keys, "seed"], sort=False)["raw"].mean()
    return by_seed.groupby(keys, sort=False).std().rename("std_over_seeds")


def _unit(table: pd.DataFrame, std: pd.Series) -> np.ndarray:
    """The standard deviation of each row's attribute."""
    return std.reindex(pd.MultiIndex.from_frame(table[READING])).to_numpy()


# The control


def beside_control(table: pd.DataFrame, controls: pd.DataFrame, norms: dict[str, float]) -> pd.DataFrame:
    """`table` with `limit` and `clear`: whether each effect stands clear of what random directions of its norm do.

    controls: effects of random directions, of this evaluation or others; norms: of all directions, over the whole trajectory. The
    limit is the prediction interval of one more random direction, at the norms that were measured; between these, and beyond, in
    proportion to the norm. An effect must also differ from 0 by its own sampling error.
    """
    limits = _limits(controls, norms)
    norm = table["strength"].abs() * table["direction"].map(norms)
    limit = np.full(len(table), np.nan)
    for reading, rows in table.groupby(READING, sort=False).indices.items():
        if reading in limits:
            limit[rows] = _in_proportion(norm.to_numpy()[rows], *limits[reading])
    error = student.ppf((1 + CONFIDENCE) / 2, np.maximum(table["n"] - 1, 1)) * table["std"] / np.sqrt(table["n"])
    beyond = table["effect"].abs() > np.fmax(limit, np.where(table["n"] > 1, error, np.inf))
    clear = beyond.astype(object).where(~(np.isnan(limit) | table["control"] | table["effect"].isna()), None)
    return table.assign(limit=limit, clear=clear)


def _limits(controls: pd.DataFrame, norms: dict[str, float]) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """By (judge, attribute): norms of random offsets, rising, and the limit at each."""
    if controls.empty:
        return {}
    controls = controls.assign(
        size=controls["strength"].abs(), square=controls["effect"] ** 2, norm=controls["direction"].map(norms)
    )
    by_direction = controls.groupby([*READING, "size", "direction"], sort=False)[["square", "norm"]].mean().dropna()
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for (judge, attribute, size), rows in by_direction.groupby([*READING, "size"], sort=False):
        k = len(rows)  # both signs of a direction tell much the same
        limit = student.ppf((1 + CONFIDENCE) / 2, k) * np.sqrt(rows["square"].mean() * (1 + 1 / k))
        found.setdefault((judge, attribute), []).append((float(size * rows["norm"].mean()), float(limit)))
    return {reading: tuple(np.array(sorted(points)).T) for reading, points in found.items()}


def _in_proportion(norm: np.ndarray, at: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Straight lines from (0, 0) through the measured points; beyond the last, on through it from 0."""
    within = np.interp(norm, np.concatenate([[0], at]), np.concatenate([[0], limit]))
    return np.where(norm > at[-1], norm / at[-1] * limit[-1], within)


def largest_control(table: pd.DataFrame) -> pd.Series:
    """The largest absolute effect of any random direction at any strength, by attribute."""
    controls = table[table["control"]]
    return controls.assign(effect=controls["effect"].abs()).groupby("attribute")["effect"].max()


# On and off target, by one judge


def matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Effects as a row a (direction, strength), a column an attribute."""
    return table.pivot(index=["direction", "strength"], columns="attribute", values="effect")


def on_and_off_target(table: pd.DataFrame, targets: dict[str, str]) -> pd.DataFrame:
    """For every direction in `targets` (name -> attribute) and strength: on_target, off_target, their ratio, and all effects.

    on_target has the sign of the strength taken out: > 0 means that the direction does what its name says, both ways.
    """
    wide = matrix(table[table["direction"].isin(list(targets))]).reset_index()
    attributes = [column for column in wide.columns if column not in ("direction", "strength")]
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

    own, others: scores of edits and of their unedited twins, as `effects` takes them; `others` may have more directions. Returns
    the columns of schemas.transfer.
    """
    edit = ["direction", "strength", *READING]
    mine = changes(own).rename(columns={"raw": "own"})[[*edit, "sample_id", "own"]]
    both = changes(others).drop(columns="sample_id").merge(mine, on=edit)
    product = both["raw"] * both["own"]
    both["same_way"] = (product > 0).astype(float).where(product.notna())
    groups = both.groupby([*edit, "sample_id", "own"], sort=False, dropna=False)
    table = groups.agg(others=("raw", "mean"), same_way=("same_way", "mean"), n=("raw", "count")).reset_index()
    unit = _unit(table, std)
    return table.assign(own=table["own"] / unit, others=table["others"] / unit)
