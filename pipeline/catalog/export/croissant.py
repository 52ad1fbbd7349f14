"""Export with a description in Croissant 1.0, which data catalogs and loaders of machine learning read.

    FOLDER/croissant.json      JSON-LD: every file with its hash, every table with the meaning of its columns
    FOLDER/vectors.parquet     vectors and figures, as the export to Parquet has them
    FOLDER/*.parquet           the other tables of the catalog

Columns of structs, such as images, are in the tables and have no description. The vocabulary is that of
http://mlcommons.org/croissant/1.0.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export import parquet
from pipeline.catalog.file_names import in_one_line
from pipeline.formats.hashes import sha256
from schemas.catalog import Catalog
from schemas.columns import meaning_of, unit_of
from schemas.published import TABLES

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_OF_CROISSANT = (
    "citeAs", "column", "dataBiases", "dataCollection", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path",
    "personalSensitiveInformation", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in _OF_CROISSANT},
}
PAPER = (
    "Haas, Huberman-Spiegelglas, Mulayoff, Graßhof, Brandt, Michaeli. Discovering Interpretable Directions in the Semantic Latent "
    "Space of Diffusion Models. FG 2024, arXiv:2303.11073"
)


def write(catalog: DirectionCatalog, out: Path) -> None:
    """Write a catalog's tables and their description into an empty folder."""
    parquet.write(catalog, out, "vectors.parquet")
    for name in sorted(TABLES.keys() & catalog.files):
        (out / name).write_bytes(catalog.read(name))
    text = json.dumps(described(catalog.about, out), indent=2)
    (out / "croissant.json").write_text(
        text.replace("<", "\\u003c") + "\n"
    )  # it may come to stand in a page's script element


def described(about: Catalog, folder: Path) -> dict[str, Any]:
    """Return the description of the tables in a folder, as JSON-LD."""
    tables = sorted(folder.glob("*.parquet"))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": "hspace-directions",
        "description": f"Measured directions in the h-space of the diffusion model {in_one_line(about.model.name)}, "
        f"whose U-Net's weights have the SHA-256 {about.model.weights_sha256}.",
        "url": "https://arxiv.org/abs/2303.11073",
        "citeAs": PAPER,
        "distribution": [_file(path) for path in tables],
        "recordSet": [_table(path) for path in tables],
    }


def _file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "encodingFormat": "application/x-parquet",
        "sha256": sha256(path),
    }


def _table(path: Path) -> dict[str, Any]:
    columns = pq.read_schema(path)
    fields = [_field(path, column) for column in columns if _data_type(column.type)]
    return {"@type": "cr:RecordSet", "@id": path.stem, "name": path.stem, "field": fields}


def _field(path: Path, column: pa.Field) -> dict[str, Any]:
    unit = unit_of(column)
    return {
        "@type": "cr:Field",
        "@id": f"{path.stem}/{column.name}",
        "name": column.name,
        "description": meaning_of(column) + (f" Unit: {unit}." if unit else ""),
        "dataType": _data_type(column.type),
        **({"repeated": True} if pa.types.is_list(column.type) else {}),
        "source": {"fileObject": {"@id": path.name}, "extract": {"column": column.name}},
    }


def _data_type(kind: pa.DataType) -> str | None:
    """The type of a column, or of what is in its lists, in Croissant's words; None of a struct."""
    kind = kind.value_type if pa.types.is_list(kind) else kind
    known = {
        "sc:Boolean": pa.types.is_boolean,
        "sc:Integer": pa.types.is_integer,
        "sc:Float": pa.types.is_floating,
        "sc:Text": pa.types.is_string,
    }
    return next((name for name, matches in known.items() if matches(kind)), None)
