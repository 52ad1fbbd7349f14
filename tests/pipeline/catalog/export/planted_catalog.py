"""A whole catalog on disk whose vectors, figures and pictures are planted. No flow is run. Imported by name."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from safetensors.numpy import save

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.formats.parquet import write_table
from schemas.catalog import Capture, Catalog
from schemas.columns import table_of, table_of_frame
from schemas.directions import DIRECTIONS
from schemas.edits import UNEDITED
from schemas.profiles import PROFILES
from schemas.published import TABLES
from schemas.thumbnails import HELD_OUT, THUMBNAILS
from tests.pipeline.catalog.planted_findings import T, catalog_of, jpeg, profile, supervised
from tests.pipeline.planted_effects import indexed

SHAPE = (8, 2, 2)
STRENGTHS = (-1.0, 1.0)
SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    f"{SCRIPT}/ridge",
    "../../etc/passwd/ridge",
    "a\n\n---\nlicense: evil\n---\n# b/ridge",
    "`](javascript:alert(1))|*/ridge",
    "con",
    "smile/RIDGE",
    "ключ/ridge",
    "file",
)


def planted(folder: Path, rows: list[dict] | None = None, unet: dict[str, Any] | None = None, **known: Any) -> Path:
    """Write a catalog of ridge directions of smile and age, or of these rows: at 1 each moves its attribute by 1.2, at -1 by -1.1.

    unet: what the U-Net's configuration has beside what a planted one has.
    """
    rows = rows or [supervised(attribute, "ridge") for attribute in ("smile", "age")]
    about = catalog_of(rows, **known)
    about = about.model_copy(update={"model": about.model.model_copy(update={"unet": about.model.unet | (unet or {})})})
    folder.mkdir(parents=True)
    (folder / "catalog.json").write_text(about.model_dump_json())
    (folder / "directions.safetensors").write_bytes(save(vectors(about)))
    (folder / "README.md").write_text("# The card\n")
    for name, table in _tables(rows, about).items():
        write_table(folder / name, table)
    seal(folder)
    return folder


def vectors(about: Catalog) -> dict[str, np.ndarray]:
    """A vector a direction and point, drawn by its key: with the numbers that rounding or text would change."""
    found = {}
    shapes = {each.point: tuple(each.shape) for each in about.captures}
    for direction in about.directions:
        points = direction.capture.split("+")
        for point in points:
            key = direction.name if len(points) == 1 else f"{direction.name}@{point}"
            seed = list(hashlib.sha256(key.encode()).digest())
            drawn = np.random.default_rng(seed).standard_normal((T, *shapes[point])).astype(np.float32)
            drawn.flat[:4] = [np.float32(1e-45), np.float32(-0.0), np.float32(3.4028235e38), np.float32(0.1)]
            found[key] = drawn
    return found


def at_several_points(folder: Path, **known: Any) -> Path:
    """A catalog with a direction at the mid block and another at two points at once."""
    rows = [supervised("smile", "ridge"), {**supervised("age", "ridge"), "capture": "mid_block+up_blocks.0"}]
    captures = [Capture(point="mid_block", shape=[8, 2, 2]), Capture(point="up_blocks.0", shape=[4, 4, 4])]
    return planted(folder, rows, captures=captures, **known)


def hostile(folder: Path) -> Path:
    """A catalog whose directions and attributes have names that are markup, paths, line breaks and the like."""
    rows = [{**supervised(name.removesuffix("/ridge"), "ridge"), "name": name} for name in (*HOSTILE, "smile/ridge")]
    return planted(folder, rows)


def seal(folder: Path) -> None:
    """Write SHA256SUMS anew."""
    paths = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (folder / "SHA256SUMS").write_text("".join(sums))


def opened(folder: Path) -> DirectionCatalog:
    return DirectionCatalog.open(folder)


def _tables(rows: list[dict], about: Catalog) -> dict[str, pa.Table]:
    effects, preservation = _effects(rows), TABLES["preservation.parquet"]
    return {
        "directions.parquet": table_of(
            [{key: row[key] for key in DIRECTIONS.names if key in row} for row in rows], DIRECTIONS
        ),
        "profiles.parquet": table_of([{**profile(row, None), "judge": "judge"} for row in rows], PROFILES),
        "effects.parquet": table_of_frame(effects, TABLES["effects.parquet"]),
        "preservation.parquet": preservation.empty_table(),
        "cosines.parquet": TABLES["cosines.parquet"].empty_table(),
        "thumbnails.parquet": table_of(_thumbnails(rows), THUMBNAILS),
    }


def _effects(rows: list[dict]) -> pd.DataFrame:
    attributes = [row["attribute"] for row in rows]
    cells = [
        (
            row["name"],
            strength,
            attribute,
            strength * (1.15 + 0.05 * strength if attribute == row["attribute"] else 0.1),
        )
        for row in rows
        for strength in STRENGTHS
        for attribute in attributes
    ]
    table = indexed(pd.DataFrame(cells, columns=["direction", "strength", "attribute", "effect"]))
    about = {"evaluation": 0, "control": False, "judge": "judge", "std": 0.4, "n": 2, "control_limit": 0.35}
    return table.assign(raw=table["effect"], significant=table["effect"].abs() > 0.35, **about)


def _thumbnails(rows: list[dict]) -> list[dict]:
    edits = [("unedited", UNEDITED), *((row["name"], index) for row in rows for index in range(len(STRENGTHS)))]
    about = {"of": HELD_OUT, "evaluation": 0}
    return [
        {
            **about,
            "direction": name,
            "strength_index": index,
            "sample_id": i,
            "image": {"bytes": jpeg(40 * i), "path": None},
        }
        for name, index in edits
        for i in range(2)
    ]
