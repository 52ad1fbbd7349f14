"""What a catalog holds, in the order in which its card, its explorer and our README name it: files, and tables' columns."""

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa

from schemas.best import BEST
from schemas.carriage import CARRIAGE
from schemas.catalog import Catalog
from schemas.choice import CHOICE
from schemas.columns import column
from schemas.confirmed import CONFIRMED
from schemas.cosines import COSINES
from schemas.directions import DIRECTIONS
from schemas.effects import EFFECTS
from schemas.learning_curve import LEARNING_CURVE
from schemas.locality import LOCALITY
from schemas.preservation import PRESERVATION
from schemas.profiles import PROFILES
from schemas.provenance import PROVENANCE
from schemas.samplers import SAMPLERS
from schemas.selection import SELECTION
from schemas.thumbnails import THUMBNAILS
from schemas.transfer import TRANSFER
from schemas.verified import VERIFIED

EVALUATION = column(
    "evaluation", pa.int32(), "Which of the evaluations of catalog.json this row is of, from 0.", required=True
)


@dataclass(frozen=True)
class CatalogFile:
    """A file, what it holds, the columns of a table, and whether every catalog has it."""

    name: str
    holds: str
    columns: pa.Schema | None = None
    always: bool = True


CATALOG_FILES = (
    CatalogFile(
        "catalog.json",
        "the model (with the hash of its weights), the sampling, the directions, every setting behind them",
    ),
    CatalogFile("directions.safetensors", "the vectors by name, float32 [T, C, H, W]"),
    CatalogFile(
        "directions.parquet",
        "one row a direction: how it was made, from what, n, thresholds, norms, stability, warnings, parents of projected ones",
        DIRECTIONS,
    ),
    CatalogFile(
        "effects.parquet",
        "what each direction changes on held-out samples, at each strength, by each judge, beside random directions of its norm",
        pa.schema([EVALUATION, *EFFECTS]),
    ),
    CatalogFile(
        "profiles.parquet",
        "one row a direction: what it does in words, its strength per standard deviation, its valid range; ranks",
        PROFILES,
    ),
    CatalogFile(
        "verified.parquet",
        "what each direction does at the strength that should move its target by one standard deviation, on samples of their own",
        VERIFIED,
        always=False,
    ),
    CatalogFile(
        "confirmed.parquet",
        "what the unsupervised directions that are ranked first do to samples that had no part in their ranks",
        CONFIRMED,
        always=False,
    ),
    CatalogFile(
        "best.parquet",
        "the strength that each direction of an attribute is shown at, in its valid range, and what chose it",
        BEST,
        always=False,
    ),
    CatalogFile(
        "selection.parquet",
        "what directions change on the samples that their strengths are chosen on, none of which is among those of effects.parquet",
        pa.schema([EVALUATION, *SELECTION]),
        always=False,
    ),
    CatalogFile(
        "samplers.parquet",
        "the strength per standard deviation by samplers of the other kind than eta makes: deterministic, or stochastic",
        SAMPLERS,
        always=False,
    ),
    CatalogFile(
        "preservation.parquet",
        "what each edit leaves alone: identity, MS-SSIM, background; and whether images still look like the model's own",
        pa.schema([EVALUATION, *PRESERVATION]),
    ),
    CatalogFile(
        "cosines.parquet", "how alike the directions are that different methods made of one attribute", COSINES
    ),
    CatalogFile(
        "learning_curve.parquet",
        "how many labelled samples a direction needs, in h and in x_T",
        LEARNING_CURVE,
        always=False,
    ),
    CatalogFile(
        "transfer.parquet",
        "what a direction found on one sample does to that one, and to held-out samples",
        TRANSFER,
        always=False,
    ),
    CatalogFile(
        "locality.parquet",
        "how much of what a direction changes lies inside a region of the image",
        LOCALITY,
        always=False,
    ),
    CatalogFile(
        "carriage.parquet",
        "where each attribute lives: how far swaps of h between samples take it, by capture point and third of the steps",
        CARRIAGE,
        always=False,
    ),
    CatalogFile(
        "choice.parquet",
        "at which capture point each attribute's direction was chosen to be, and what it did at the others",
        CHOICE,
        always=False,
    ),
    CatalogFile("thumbnails.parquet", "small images of samples, and of what directions do to them", THUMBNAILS),
    CatalogFile(
        "provenance.parquet",
        "of a catalog that was merged: which catalog each direction, and what was measured of it, came from",
        PROVENANCE,
        always=False,
    ),
    CatalogFile(
        "run.toml",
        "the settings of the run, for python -m jobs.directions run.toml, which makes this catalog again",
        always=False,
    ),
    CatalogFile("README.md", "the card, with the lines that apply a direction with plain diffusers"),
    CatalogFile("SHA256SUMS", "the SHA-256 of every other file, for sha256sum -c SHA256SUMS"),
)

VERSION = {"schema_version": str(Catalog.model_fields["schema_version"].default)}  # in the metadata of every file


def versioned(table: pa.Table) -> pa.Table:
    """Return a table whose file says which version of a catalog it is of."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **VERSION})


TABLES = {file.name: file.columns for file in CATALOG_FILES if file.columns is not None}


def table_of_files(files: Collection[CatalogFile] = CATALOG_FILES) -> str:
    """Return files and what they hold as a table in Markdown."""
    return "| file | holds |\n|---|---|\n" + "".join(f"| `{file.name}` | {file.holds} |\n" for file in files)


def files_of(found: Collection[str]) -> list[CatalogFile]:
    """Return the files of a catalog that has these beside those that every catalog has.

    Raises ValueError for a name that is no such file.
    """
    if unknown := set(found) - {file.name for file in CATALOG_FILES}:
        raise ValueError(f"{', '.join(sorted(unknown))} is no file that a catalog may have: add it to CATALOG_FILES.")
    return [file for file in CATALOG_FILES if file.always or file.name in found]
