"""Export to NumPy: every vector in one file, which `numpy.load` reads without pickles.

FOLDER/directions.npz     float32 (T, C, H, W) by key
FOLDER/directions.json    a list: of every key the direction, its capture point, and what `facts` returns
"""

from pathlib import Path
from zipfile import ZipFile

from numpy.lib.format import write_array

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.safetensors import INDEX, write_index
from pipeline.catalog.export.vectors import Vector, facts, vectors
from pipeline.catalog.file_names import file_names


def write(catalog: DirectionCatalog, out: Path) -> None:
    """Write a catalog's directions into an empty folder. A key is a safe name: an archive's members become files."""
    found = vectors(catalog)
    names = file_names([_name(each) for each in found])
    with ZipFile(out / "directions.npz", "w") as archive:
        for each in found:
            with archive.open(f"{names[_name(each)]}.npy", "w", force_zip64=True) as member:
                write_array(member, each.values, allow_pickle=False)
    index = [{"key": names[_name(each)], "point": each.point, **facts(catalog.about, each.direction)} for each in found]
    write_index(out / INDEX, index)


def _name(vector: Vector) -> str:
    several = vector.point != vector.direction.capture
    return f"{vector.direction.name}@{vector.point}" if several else vector.direction.name
