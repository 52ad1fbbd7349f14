"""Effects of edits: from a judge's scores to how far each direction moves its target, and everything else.

An *effect* is a mean change in standard deviations of the attribute over unedited samples. *On target* is the direction's own
attribute, *off target* the largest absolute effect on any other.
"""

import numpy as np
import pandas as pd

CLEAN = 1 / 3  # off target as a share of on target, up to which an edit counts as clean


def effects(edits: pd.DataFrame, attributes: tuple[str, ...], std: np.ndarray, judge: str) -> pd.DataFrame:
    """Mean and spread of (edited - unedited), each image against its own unedited twin, in units of `std` (attributes,).

    edits: direction, control, strength, sample_id and a column of scores an attribute; the direction "unedited" is the twins.
    Returns the columns of schemas.effects. Twins are joined on sample_id.
    """
    changes = _changes(edits, attributes)
    groups = changes.groupby(["direction", "control", "strength", "attribute"], sort=False)["raw"]
    table = groups.agg(raw="mean", std="std", n="count").reset_index()
    unit = _unit(table, attributes, std)
    return table.assign(effect=table["raw"] / unit, std=table["std"] / unit, judge=judge)


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
    target = np.array([attributes.index(targets[name]) for name in wide["direction"]])
    rows = np.arange(len(wide))
    on = values[rows, target] * np.sign(wide["strength"].to_numpy())
    others = np.abs(values)
    others[rows, target] = 0
    off = others.max(axis=1)
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


def largest_control(table: pd.DataFrame) -> pd.Series:
    """The largest absolute effect of any random direction at any strength, by attribute."""
    controls = table[table["control"]]
    return controls.assign(effect=controls["effect"].abs()).groupby("attribute")["effect"].max()


def transfer(own: pd.DataFrame, others: pd.DataFrame, attributes: tuple[str, ...], std: np.ndarray) -> pd.DataFrame:
    """What each edit does to the sample that its direction was found on, beside what it does to held-out samples.

    own, others: scores of edits and of their unedited twins, as `effects` takes them; `others` may have more directions. Returns
    the columns of schemas.transfer, but for the judge.
    """
    edit = ["direction", "strength", "attribute"]
    mine = _changes(own, attributes).rename(columns={"raw": "own"}).drop(columns="control")
    both = _changes(others, attributes).drop(columns="sample_id").merge(mine, on=edit)
    both["same_way"] = np.sign(both["raw"]) == np.sign(both["own"])
    groups = both.groupby([*edit, "sample_id", "own"], sort=False)
    table = groups.agg(others=("raw", "mean"), same_way=("same_way", "mean"), n=("raw", "count")).reset_index()
    unit = _unit(table, attributes, std)
    return table.assign(own=table["own"] / unit, others=table["others"] / unit)


def _changes(edits: pd.DataFrame, attributes: tuple[str, ...]) -> pd.DataFrame:
    """A row an edited image and attribute: direction, control, strength, sample_id, attribute, and `raw`, edited - unedited."""
    names = list(attributes)
    twins = edits[edits["direction"] == "unedited"].set_index("sample_id")[names]
    change = edits[edits["direction"] != "unedited"].copy()
    change[names] -= twins.loc[change["sample_id"]].to_numpy()
    return change.melt(["direction", "control", "strength", "sample_id"], names, "attribute", "raw")


def _unit(table: pd.DataFrame, attributes: tuple[str, ...], std: np.ndarray) -> pd.Series:
    """The standard deviation of each row's attribute."""
    return table["attribute"].map(dict(zip(attributes, std, strict=True)))
