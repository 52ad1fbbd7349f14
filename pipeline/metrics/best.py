"""Which strength a direction is shown at, and which of an attribute's directions is the one to use.

What is chosen as the best of several is so partly by luck on the samples that it was chosen on. So strengths and directions are
chosen on *selection samples*, in the valid range alone, and what they do is *reported* on held-out samples that chose nothing.
Nothing but this module chooses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.effects import best_strengths, is_clean, on_and_off_target

Range = tuple[float, float]  # the lowest and the highest strength at which images still are the model's own

SELECTED, FARTHEST = "selection", "farthest"  # how a strength was chosen
ROUNDING = 1e-5  # of strengths that went through float32


def chosen(selection: pd.DataFrame, targets: dict[str, str], valid: Mapping[str, Range]) -> list[dict[str, Any]]:
    """Return a row a direction: the best strength in its valid range by effects on selection samples, and what it did there.

    selection: schemas.effects of selection samples, by one judge. `strength_index` and `strength` are None of a direction that was
    measured at no strength in its valid range; its other figures are then those at the best of all strengths.
    """
    rows: list[dict[str, Any]] = []
    for name, target in targets.items():
        own = selection[selection["direction"] == name]
        within = own[inside(own["strength"].to_numpy(float), valid[name])]
        best = best_strengths(within if len(within) else own, {name: target})
        if best.empty:  # nothing is known of its target
            rows += farthest(own, {name: target}, valid)
            continue
        found = best.iloc[0]
        at = own[(own["strength_index"] == found["strength_index"]) & (own["attribute"] == target)]
        rows.append(
            {
                "direction": name,
                "target": target,
                "chosen_by": SELECTED,
                "strength_index": int(found["strength_index"]) if len(within) else None,
                "strength": float(found["strength"]) if len(within) else None,
                "selection_n": int(at["n"].iloc[0]),
                "selection_on_target": float(found["on_target"]),
                "selection_off_target": float(found["off_target"]),
                "selection_clean": bool(found["clean"]),
            }
        )
    return rows


def farthest(table: pd.DataFrame, targets: dict[str, str], valid: Mapping[str, Range]) -> Iterator[dict[str, Any]]:
    """Yield the same of directions that have no selection samples: the farthest strength in the valid range, by no effect."""
    for name, target in targets.items():
        own = table[table["direction"] == name].drop_duplicates("strength_index")
        strengths = own["strength"].to_numpy(float)
        within = np.flatnonzero(inside(strengths, valid[name]))
        row: dict[str, Any] = {"direction": name, "target": target, "chosen_by": FARTHEST}
        if len(within):
            at = max(within, key=lambda i: (round(abs(strengths[i]), 6), strengths[i]))
            row |= {"strength_index": int(own["strength_index"].iloc[at]), "strength": float(strengths[at])}
        yield row


def inside(strengths: np.ndarray, valid: Range) -> np.ndarray:
    """Return which strengths (S,) are in a valid range."""
    low, high = valid
    slack = ROUNDING * max(abs(low), abs(high))
    return (strengths >= low - slack) & (strengths <= high + slack)


def reported(table: pd.DataFrame, targets: dict[str, str], best: pd.DataFrame | None) -> pd.DataFrame:
    """Return a row a direction, in the order of `targets`: what it does on held-out samples at the strength that was chosen.

    table: schemas.effects by one judge; best: schemas.best. Columns are those of `metrics.effects.best_strengths`, and `n`, the
    held-out samples, and `selection_n`, the samples that chose: NaN where the strength was not chosen by effects. A direction that
    is not in `best`, as in catalogs of before, is chosen on the samples that it is reported on: its `selection_n` is 0. One without
    a strength in its valid range has no row. Clean is what `metrics.effects.is_clean` says of it.
    """
    known = {} if best is None else best.set_index("direction").to_dict("index")
    before = best_strengths(table, {name: target for name, target in targets.items() if name not in known})
    every = on_and_off_target(table, {name: target for name, target in targets.items() if name in known})
    index = every["direction"].map(lambda name: known[name]["strength_index"])
    at = every[every["strength_index"] == index].set_index("direction")
    at = at.assign(clean=is_clean(at))
    found = pd.concat([each for each in (before, at) if len(each)]) if len(before) or len(at) else before
    found = found.loc[[name for name in targets if name in found.index]]
    selected = [known[name].get("selection_n") if name in known else 0.0 for name in found.index]
    n = found["n_on_target"].fillna(0).astype(int)
    return found.assign(clean=found["clean"].astype(bool), n=n, selection_n=np.array(selected, dtype=float))


def preferred(candidates: pd.DataFrame) -> dict[str, str]:
    """Return the direction to use of each attribute.

    candidates: a row a direction, with `target`, `projected`, `n` (held-out samples), `usable` (whether it has a strength in its
    valid range), and `clean`, `on_target`, `off_target`, by the samples that chose. Of the usable ones those that were projected
    where any was, of these those on the most samples: the largest clean effect, or else the largest ratio.
    """
    found = {}
    for target, own in candidates.groupby("target", sort=False):
        for column in ("usable", "projected", "n"):
            own = own[own[column] == own[column].max()]
        found[str(target)] = str(in_order(own).index[0])
    return found


def in_order(candidates: pd.DataFrame) -> pd.DataFrame:
    """The same rows, the best first: clean ones by the effect on the target, then the others by its ratio to the largest other."""
    on, off = candidates["on_target"].to_numpy(float), candidates["off_target"].to_numpy(float)
    nothing = np.where(np.isnan(off), -np.inf, np.where(on > 0, np.inf, 0.0))
    ratio = np.divide(on, off, out=nothing, where=off > 0)
    clean = candidates["clean"].to_numpy(bool)
    ordered = candidates.assign(_clean=clean, _worth=np.where(clean, on, ratio))
    ordered = ordered.sort_values(["_clean", "_worth"], ascending=False, kind="stable")
    return ordered.drop(columns=["_clean", "_worth"])
