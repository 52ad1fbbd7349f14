"""The files of a catalog, in the order in which its card, its report and the project's README name them."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogFile:
    """A file, what it holds, and whether every catalog has it."""

    name: str
    holds: str
    always: bool = True


CATALOG_FILES = (
    CatalogFile("catalog.json", "the model, the sampling, the directions and every setting behind them"),
    CatalogFile("directions.safetensors", "the vectors by name, float32 [T, C, H, W]"),
    CatalogFile("directions.parquet", "one row a direction: how it was made, from what, n, thresholds, norms, parents"),
    CatalogFile(
        "effects.parquet",
        "what each direction changes on held-out samples, by each judge, beside random directions of the same norms",
    ),
    CatalogFile(
        "profiles.parquet",
        "of each direction what it does in words, its strength per standard deviation, its valid range; ranks",
    ),
    CatalogFile(
        "preservation.parquet",
        "what edits leave alone: identity, MS-SSIM, background; and how far images stay the model's own",
    ),
    CatalogFile("learning_curve.parquet", "how many labelled samples a direction needs, in h and in x_T", always=False),
    CatalogFile(
        "transfer.parquet",
        "what a direction found on one sample does to that one, and to held-out samples",
        always=False,
    ),
    CatalogFile(
        "locality.parquet",
        "how much of what a direction changes lies inside a region of the image, such as the mouth",
        always=False,
    ),
    CatalogFile("README.md", "the card, with the lines that apply a direction with plain diffusers"),
    CatalogFile("SHA256SUMS", "the SHA-256 of every other file, for sha256sum -c SHA256SUMS"),
)


def files_of(more: Collection[str]) -> list[CatalogFile]:
    """Return the files of a catalog that has, of those that not every catalog has, the ones named in `more`.

    Raises ValueError for a name that is no such file.
    """
    if unknown := set(more) - {file.name for file in CATALOG_FILES if not file.always}:
        raise ValueError(f"{', '.join(sorted(unknown))} is no file that a catalog may have: add it to CATALOG_FILES.")
    return [file for file in CATALOG_FILES if file.always or file.name in more]
