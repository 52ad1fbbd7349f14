"""The catalog's README.md: what is in the folder, what was measured, and the lines that apply a direction.

Its words are those of card.md.j2; here is what they are filled with.
"""

import pandas as pd

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.doubts import doubts
from pipeline.catalog.templates import Facts, render
from pipeline.metrics.effects import best_strengths, largest_control
from schemas.catalog import CAPTURES, Catalog, Direction
from schemas.published import files_of, table_of_files


def card(catalog: DirectionCatalog) -> str:
    """Return the card as Markdown."""
    about = catalog.about
    shown = _shown(about)
    return render(
        "card.md.j2",
        catalog=about,
        where=CAPTURES[about.capture],
        files=table_of_files(files_of(catalog.files)),
        shown=shown,
        gamma=_gamma(shown, catalog.table("effects.parquet")),
        code=_code(about),
        measured=_measured(about, catalog.table("effects.parquet")),
    )


def _shown(catalog: Catalog) -> Direction:
    """The first of the directions whose strength per standard deviation has least to be said against it."""
    supervised = [direction for direction in catalog.directions if direction.attribute]
    return min(supervised or catalog.directions, key=lambda each: (not each.strength_per_sd, len(_doubts_of(each))))


def _gamma(shown: Direction, effects: pd.DataFrame) -> float:
    """The multiple of its strength per standard deviation at which a direction was measured; without one, its largest strength."""
    if not shown.strength_per_sd:
        measured = effects.loc[effects["direction"] == shown.name, "strength"].abs()
        return float(measured.max()) if len(measured) else 1.0
    return -1.0 if shown.strength_by == "fall" else 1.0


def _code(catalog: Catalog) -> Facts:
    """Return what the lines that apply a direction are made of; `width` is that of a conditional U-Net's condition."""
    unet, config = catalog.model.unet, catalog.model.autoencoder or {}
    kind, size = unet.get("_class_name", "UNet2DModel"), unet["sample_size"]
    autoencoder = config.get("_class_name")
    return {
        "unet": kind,
        "autoencoder": autoencoder,
        "classes": sorted({"DDIMScheduler", kind, *([autoencoder] if autoencoder else [])}),
        "x_shape": [unet["in_channels"], *([size, size] if isinstance(size, int) else size)],
        "width": unet.get("cross_attention_dim"),
        "shift": config.get("shift_factor"),
    }


def _measured(catalog: Catalog, effects: pd.DataFrame) -> Facts:
    """What supervised directions do, by the first judge; `rows` is empty where nothing was measured."""
    supervised = {direction.name: direction for direction in catalog.directions if direction.attribute}
    if not supervised or not catalog.evaluations:
        return {"rows": [], "unscored": [], "doubts": []}
    judge = catalog.evaluations[0].judges[0]
    effects = effects[effects["judge"] == judge]
    controls = effects[effects["control"] & effects["evaluation"].isin(_compared(catalog, set(supervised)))]
    best = best_strengths(effects, {name: str(direction.attribute) for name, direction in supervised.items()})
    attributes = sorted(set(effects["attribute"]))
    left_out = [str(row.attribute) for name, row in supervised.items() if name not in best.index]
    rows = [_row(supervised[str(name)], row, effects, attributes) for name, row in best.iterrows()]
    return {
        "judge": judge,
        "allowed": any(judge in each.allowed for each in catalog.evaluations),
        "attributes": attributes,
        "rows": rows,
        "control": None if controls.empty else largest_control(controls).max(),
        "unscored": list(dict.fromkeys(attribute for attribute in left_out if attribute not in attributes)),
        "doubts": [mark for row in rows for mark in row["doubts"]],
    }


def _compared(catalog: Catalog, supervised: set[str]) -> set[int | None]:
    """The evaluations whose random directions the supervised ones were compared with."""
    measured = {i: each for i, each in enumerate(catalog.evaluations) if supervised & set(each.directions)}
    return {*measured, *(each.control for each in measured.values())}


def _row(direction: Direction, best: pd.Series, effects: pd.DataFrame, attributes: list[str]) -> Facts:
    """A direction at its best strength; `target` is the place of its own among the effects, one an attribute."""
    own = effects[(effects["direction"] == direction.name) & (effects["attribute"] == best["target"])]
    return {
        "name": direction.name,
        "strength_per_sd": direction.strength_per_sd,
        "doubts": _doubts_of(direction),
        "n": int(own.loc[own["strength_index"] == best["strength_index"], "n"].iloc[0]),
        "strength": best["strength"],
        "clean": best["clean"],
        "effects": [None if pd.isna(best[each]) else best[each] for each in attributes],
        "target": attributes.index(best["target"]),
    }


def _doubts_of(direction: Direction) -> list[str]:
    if direction.strength_per_sd is None:
        return []
    return doubts(direction.strength_in_range, direction.verified, direction.strength_by)
