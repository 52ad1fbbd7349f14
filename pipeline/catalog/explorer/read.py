"""Reads from a catalog's folder what its pages show."""

import pandas as pd

from pipeline.catalog.curves import Curves
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.measured import Measured
from pipeline.catalog.field_figures import field_figures
from schemas.directions import DIRECTIONS
from schemas.thumbnails import HELD_OUT, OWN, SAMPLE


def findings(catalog: DirectionCatalog) -> Findings:
    """Return what the explorer of this catalog is made from."""
    about = catalog.about
    effects, preserved = catalog.table("effects.parquet"), catalog.table("preservation.parquet")
    images = catalog.table("thumbnails.parquet")
    own = images[images["of"] == OWN]
    unknown = dict.fromkeys(DIRECTIONS.names)  # to a catalog that an earlier release published
    return Findings(
        catalog=about,
        directions=[{**unknown, **row} for row in catalog.arrow("directions.parquet").to_pylist()],
        measured=[_measured(catalog, index, effects, preserved, images) for index in range(len(about.evaluations))],
        samples=_jpegs(images[images["of"] == SAMPLE]),
        transfer=catalog.optional("transfer.parquet"),
        locality=catalog.optional("locality.parquet"),
        learning_curve=catalog.optional("learning_curve.parquet"),
        carriage=catalog.optional("carriage.parquet"),
        choice=catalog.optional("choice.parquet"),
        cosines=catalog.optional("cosines.parquet"),
        figures=field_figures(Curves(catalog)),
        samplers={name: row for (name, _), row in catalog.samplers.items()},
        best=catalog.optional("best.parquet"),
        verified=catalog.optional("verified.parquet"),
        confirmed=catalog.optional("confirmed.parquet"),
        recorded="run.toml" in catalog.files,
        merged="provenance.parquet" in catalog.files,
        profiles={row["direction"]: row for row in catalog.arrow("profiles.parquet").to_pylist()},
        origins={
            (name, int(index)): cell["bytes"]
            for name, index, cell in zip(own["direction"], own["strength_index"], own["image"], strict=True)
        },
    )


def _measured(
    catalog: DirectionCatalog, index: int, effects: pd.DataFrame, preserved: pd.DataFrame, images: pd.DataFrame
) -> Measured:
    """One evaluation, beside the random directions of its own and of the one that it was compared with."""
    about = catalog.about.evaluations[index]
    judge = about.judges[0]
    effects, preserved, images = (
        table[table["evaluation"].isin([index, about.control])] for table in (effects, preserved, images)
    )
    mine = effects[effects["evaluation"] == index]
    controls = effects[effects["control"] & (effects["judge"] == judge)]
    shown = images[(images["of"] == HELD_OUT) & (images["evaluation"] == index)]
    return Measured(
        judges=tuple(about.judges),
        n=about.n * about.seeds,
        seeds=about.seeds,
        effects=mine[mine["judge"] == judge],
        by_others=mine[mine["judge"] != judge],
        controls=controls,
        preservation=preserved[(preserved["evaluation"] == index) | preserved["control"]],
        images={
            (str(name), int(index)): _jpegs(rows)
            for (name, index), rows in shown.groupby(["direction", "strength_index"], sort=False)
        },
    )


def _jpegs(rows: pd.DataFrame) -> list[bytes]:
    return [cell["bytes"] for cell in rows["image"]]
