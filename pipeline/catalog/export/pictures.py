"""Pictures of what directions do, for pages that show files: held-out samples from minus to plus."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.strips import Images, strip
from pipeline.catalog.file_names import file_names
from pipeline.catalog.summary import Recommended, Summary

SAMPLES = 3  # rows
TILE = 128  # pixels a side, at most


class Picture(NamedTuple):
    """An image of a recommended direction, and the strengths that its columns show, from left to right."""

    file: str
    of: Recommended
    strengths: tuple[float, ...]


def write_pictures(catalog: DirectionCatalog, folder: Path) -> list[Picture]:
    """Write a JPEG an attribute that has a direction to recommend; those of which no images are there are left out."""
    recommended, found = Summary.of(catalog).recommended, findings(catalog)
    files = file_names([each.attribute for each in recommended])
    pictures = []
    for each in recommended:
        strengths, rows = _strip(found, each.direction)
        if tiles := [[Image.open(io.BytesIO(cell)) for cell in row if cell] for row in rows]:
            file = f"{files[each.attribute]}.jpg"
            folder.mkdir(exist_ok=True)
            _sheet(tiles).save(folder / file, quality=90)
            pictures.append(Picture(file, each, strengths))
    return pictures


def _strip(found: Findings, name: str) -> tuple[tuple[float, ...], tuple[Images, ...]]:
    measured = found.evaluation(name)
    if measured is None:
        return (), ()
    shown = strip(measured, name, measured.strengths[name], SAMPLES)
    return shown.strengths, shown.rows


def _sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Images in rows, each of the size of the largest, enlarged by a whole number as far as fits into a tile."""
    width, height = (max(each.size[axis] for row in rows for each in row) for axis in (0, 1))
    times = max(1, TILE // max(width, height))
    width, height = min(TILE, times * width), min(TILE, times * height)
    sheet = Image.new("RGB", (width * max(map(len, rows)), height * len(rows)), "white")
    for x, y, image in _placed(rows):
        sheet.paste(image.convert("RGB").resize((width, height)), (x * width, y * height))
    return sheet


def _placed(rows: Sequence[Sequence[Image.Image]]) -> Iterator[tuple[int, int, Image.Image]]:
    return ((x, y, image) for y, row in enumerate(rows) for x, image in enumerate(row))
