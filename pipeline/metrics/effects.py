"""Effects of edits: from judges' scores to how far each direction moves its target, and everything else.

An *effect* is a mean change in standard deviations of the attribute over unedited samples. *On target* is the direction's own
attribute, *off target* the largest absolute effect on any other. Scores are tables of schemas.scores, effects of schemas.effects.
"""

import numpy as np
import pandas as pd

from pipeline.metrics.intervals import half_width, in_steps, over_the_largest_other, step_of

CLEAN = 1 / 3  # off target as a share of on target, up to which an edit counts as clean
SAME = 1e-4  # relative difference up to which two strengths are one another's opposites

READING = ["judge", "attribute"]
EDIT = ["direction", "control", "strength_index", "strength"]  # which edit a row is of


def effects(scores: pd.DataFrame, std: pd.Series, unit_errors: pd.Series | None = None) -> pd.DataFrame:
    """Mean and spread of (edited - unedited), each image against its unedited counterpart, in units of `std` by (judge, attribute).

    scores: of edits and of their unedited counterparts, joined on sample_id; unit_errors: relative standard errors of the units, by
    the same. Returns schemas.effects but for what `significance.beside_control` adds, with how the odd part varies (`odd_std`, in
    steps) over how many samples (`odd_n`).
    """
    changed = with_opposites(changes(scores))
    groups = changed.groupby([*EDIT, *READING], sort=False)
    table = groups["raw"].agg(raw="mean", std="std", n="count").join(_over_seeds(groups))
    table = table.join(groups["odd"].agg(odd="mean", odd_std="std", odd_n="count")).join(
        groups["even"].agg(even="mean")
    )
    table = table.reset_index()
    unit, off = _unit(table, std), _of_each(table, unit_errors)
    step = _of_each(table, scores.groupby(READING)["score"].agg(step_of))
    spread, n = in_steps(table["std"], table["n"], step) / unit, table["n"].to_numpy(float)
    table["odd_std"] = in_steps(table["odd_std"], table["odd_n"], step / 2)
    in_units = ("std", "std_over_seeds", "odd", "odd_std", "even")
    table = table.assign(effect=table["raw"] / unit, **{column: table[column] / unit for column in in_units})
    effect, width = table["effect"], half_width(table["effect"], spread, n, off)
    table = table.assign(
        effect_low=effect - width, effect_high=effect + width, std_error=spread / np.sqrt(np.maximum(n, 1))
    )
    return table.merge(_ratios(changed, std, unit_errors), on=[*EDIT, *READING], how="left")


def with_opposites(changed: pd.DataFrame) -> pd.DataFrame:
    """`changed`, of `changes`, with the `odd` and the `even` part of each sample's change where the opposite strength is there.

    odd: (e(s) - e(-s)) / 2, which turns its sign with the strength; even: (e(s) + e(-s)) / 2.
    """
    edits = changed[EDIT].drop_duplicates()
    pairs = edits.merge(edits, on="direction", suffixes=("", "_opposite"))
    apart = (pairs["strength"] + pairs["strength_opposite"]).abs()
    pairs = pairs[(apart <= SAME * pairs["strength"].abs()) & (pairs["strength"] != 0)]
    key = ["direction", "strength_index", "sample_id", *READING]
    to = {(name, i): j for name, i, j in pairs[["direction", "strength_index", "strength_index_opposite"]].to_numpy()}
    there = [to.get(each, -2) for each in zip(changed["direction"], changed["strength_index"], strict=True)]
    own = changed.set_index(key)["raw"]
    opposite = own.reindex(pd.MultiIndex.from_frame(changed[key].assign(strength_index=there))).to_numpy()
    return changed.assign(odd=(changed["raw"] - opposite) / 2, even=(changed["raw"] + opposite) / 2)


def _ratios(changed: pd.DataFrame, std: pd.Series, unit_errors: pd.Series | None) -> pd.DataFrame:
    """`ratio_low` and `ratio_high` of every edit and attribute: the effect over the largest on any other by the same judge."""
    found = [_ratios_of(own, std, unit_errors) for _, own in changed.groupby("judge", sort=False)]
    if not found:
        return changed[[*EDIT, *READING]].assign(ratio_low=np.nan, ratio_high=np.nan)
    table = pd.concat(found)
    return table.assign(ratio_high=table["ratio_high"].where(np.isfinite(table["ratio_high"])))


def _ratios_of(changed: pd.DataFrame, std: pd.Series, unit_errors: pd.Series | None) -> pd.DataFrame:
    """The same by one judge."""
    readings = changed[READING].drop_duplicates()
    unit, errors = _unit(readings, std), _of_each(readings, unit_errors)
    wide = changed.pivot(index=[*EDIT, "seed", "sample_id"], columns="attribute", values="raw")[readings["attribute"]]
    values = wide.to_numpy(float) / unit
    edits = wide.index.to_frame(index=False)[EDIT]
    places = edits.groupby(["direction", "strength_index"], sort=False).indices.values()
    ends = np.full((len(places), 2, len(unit)), np.nan)
    for end, rows in zip(ends, places, strict=True):
        known = ~np.isnan(values[rows]).all(axis=0)  # in this edit
        end[:, known] = over_the_largest_other(values[rows][:, known], errors[known])
    first = edits.iloc[[rows[0] for rows in places]]
    table = first.loc[first.index.repeat(len(unit))].reset_index(drop=True)
    return table.assign(
        judge=changed["judge"].iloc[0],
        attribute=np.tile(readings["attribute"].to_numpy(), len(first)),
        ratio_low=ends[:, 0].ravel(),
        ratio_high=ends[:, 1].ravel(),
    )


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
    return _of_each(table, std.where(std > 0))


def _of_each(table: pd.DataFrame, values: pd.Series | None) -> np.ndarray:
    """What is known of each row's attribute, by (judge, attribute); NaN where nothing is."""
    if values is None:
        return np.full(len(table), np.nan)
    return values.reindex(pd.MultiIndex.from_frame(table[READING])).to_numpy(float)


# On and off target, by one judge


def matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Return effects as a row a (direction, strength_index, strength), a column an attribute."""
    return table.pivot(index=["direction", "strength_index", "strength"], columns="attribute", values="effect")


def on_and_off_target(table: pd.DataFrame, targets: dict[str, str]) -> pd.DataFrame:
    """Return on_target, off_target, their ratio and all effects of every direction in `targets` (name -> attribute) and strength.

    on_target has the sign of the strength taken out: > 0 means that the direction does what its name says, both ways. Beside it
    stand the ends of its interval (on_low, on_high), those of the ratio (ratio_low, ratio_high), `beyond_control` and
    `n_on_target`: all NaN where the table does not tell. Directions whose target was not judged are left out.
    """
    judged = set(table.loc[table["effect"].notna(), "attribute"])
    known = [name for name, target in targets.items() if target in judged]
    wide = matrix(table[table["direction"].isin(known)]).reset_index()
    attributes = [column for column in wide.columns if column not in EDIT]
    values = wide[attributes].to_numpy()
    target = np.array([attributes.index(targets[name]) for name in wide["direction"]], dtype=int)
    rows, sense = np.arange(len(wide)), np.sign(wide["strength"].to_numpy())
    on = values[rows, target] * sense
    others = np.abs(values)
    others[rows, target] = (
        np.nan if len(attributes) > 1 else 0.0
    )  # of a judge that scores nothing else, nothing else moves
    off = np.fmax.reduce(others, axis=1, initial=np.nan) if len(wide) else on  # NaN where it was not measured
    nothing = np.where(np.isnan(off), np.nan, np.where(on > 0, np.inf, 0.0))
    ratio = np.divide(on, off, out=nothing, where=off > 0)
    wide = wide.assign(target=wide["direction"].map(targets), on_target=on, off_target=off, ratio=ratio)
    own = table[table["direction"].isin(known)]
    told = _told(own).reindex(pd.MultiIndex.from_frame(wide[["direction", "strength_index", "target"]]))
    ends = told[["effect_low", "effect_high"]].to_numpy(float) * sense[:, None]
    ratios = told[["ratio_low", "ratio_high"]].to_numpy(float)
    ratios = np.where((on < 0)[:, None], -ratios[:, ::-1], ratios)  # of an effect the wrong way both ends are below 0
    return wide.assign(
        on_low=ends.min(axis=1) if len(ends) else on,
        on_high=ends.max(axis=1) if len(ends) else on,
        ratio_low=ratios[:, 0],
        ratio_high=ratios[:, 1],
        beyond_control=told["significant"].to_numpy(float),
        n_on_target=told["n"].to_numpy(float),
    )


def _told(table: pd.DataFrame) -> pd.DataFrame:
    """What a table tells of effects beside their means, by direction, strength_index and attribute: NaN where it does not.

    Intervals of tables that were written without them are those of their standard deviations.
    """
    own = table.set_index(["direction", "strength_index", "attribute"])
    if "effect_low" not in own and {"std", "n"} <= set(own.columns):
        effect, std, n = (own[column].to_numpy(float) for column in ("effect", "std", "n"))
        width = half_width(effect, std, n)
        own = own.assign(effect_low=effect - width, effect_high=effect + width)
    return own.reindex(columns=["effect_low", "effect_high", "ratio_low", "ratio_high", "significant", "n"])


def is_clean(rows: pd.DataFrame) -> pd.Series:
    """Whether edits, rows of `on_and_off_target`, are clean.

    Off target is at most a third of on target, on target is above 0 with its whole interval, and the control does not do as much.
    """
    shown = ~(rows["on_low"] <= 0) & (rows["beyond_control"] != 0) & ~(rows["n_on_target"] < 2)
    return (rows["off_target"] <= CLEAN * rows["on_target"]) & shown


def best_strengths(table: pd.DataFrame, targets: dict[str, str]) -> pd.DataFrame:
    """One row a direction, in the order of `targets`: the strength with the largest clean effect, or else the best ratio.

    Among clean edits the largest on_target; where none is clean, the largest ratio.
    """
    rows = on_and_off_target(table, targets)
    rows = rows.assign(clean=is_clean(rows))
    rows["rank"] = np.where(rows["clean"], rows["on_target"], rows["ratio"])
    rows["alone"] = rows["on_target"].where(rows["ratio"].isna(), 0.0)  # what has no ratio comes after all that has one
    ordered = rows.sort_values(["clean", "rank", "alone"], ascending=False, kind="stable").drop_duplicates("direction")
    return (
        ordered.set_index("direction")
        .loc[[name for name in targets if name in set(rows["direction"])]]
        .drop(columns=["rank", "alone"])
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
