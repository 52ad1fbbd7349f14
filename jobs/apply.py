"""What a direction does, seen at once: `python -m jobs.apply CATALOG --direction smile --strength 1 --seed 0 -o out.png`.

A new sample, or with --image a real image through its inversion: without the edit on the left, with it on the right.
"""

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from typer import Argument, Option

from jobs.printing import console, refuse
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.formats.images import png
from pipeline.imagesets.encoded import Encoded

BETWEEN = 4  # pixels of white between pictures
CATALOG = "Folder that holds catalog.json, OWNER/NAME on the hub, or s3://BUCKET/FOLDER."
DIRECTION = "A direction by its name, or an attribute for the one to use of it; may be repeated."
STRENGTH = "In standard deviations of what the direction changes; one for all, or one a direction."
MODEL = "The model's folder or repository, where it is not where the catalog says."
CONDITION = "File with the embedding that the catalog's samples were made under, where they had one."
IMAGE = "A real image to edit, in the place of new samples; its middle, at the model's size."


def apply(
    catalog: Annotated[str, Argument(help=CATALOG, show_default=False)],
    direction: Annotated[list[str], Option(metavar="NAME", help=DIRECTION, show_default=False)],
    out: Annotated[Path, Option("--out", "-o", metavar="FILE", help="The picture to write, a PNG.")] = Path("out.png"),
    strength: Annotated[list[float], Option(help=STRENGTH)] = [1.0],  # noqa: B006
    seed: Annotated[int, Option(help="Of the noise.")] = 0,
    samples: Annotated[int, Option(min=1, help="New samples, one below the other.")] = 1,
    image: Annotated[Path | None, Option(metavar="FILE", help=IMAGE, show_default=False)] = None,
    model: Annotated[str | None, Option(metavar="FOLDER", help=MODEL, show_default=False)] = None,
    condition: Annotated[Path | None, Option(metavar="FILE", help=CONDITION, show_default=False)] = None,
) -> None:
    """Apply directions of a catalog, and write what they do as a picture."""
    try:
        strengths = _strengths(direction, strength)
        data = _read(image, samples)
        opened = DirectionCatalog.from_pretrained(catalog)
        for name in strengths:
            console.print(f"{opened[name].name}: {strengths[name]:+g}")
            for warning in opened[name].warnings:
                console.print(f"  {warning}")
        _write(out, _picture(opened, strengths, seed, samples, image, data, model, condition))
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    console.print(f"Picture: {out}")


def _strengths(names: list[str], strengths: list[float]) -> dict[str, float]:
    """The strength of each direction. Raises UserError where that cannot be told."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"--direction {twice[0]} is given twice: give it once, with the strength of both together.")
    if len(strengths) not in (1, len(names)):
        raise UserError(f"{len(strengths)} strengths for {len(names)} directions: give one for all, or one each.")
    return dict(zip(names, strengths * len(names) if len(strengths) == 1 else strengths, strict=True))


def _read(image: Path | None, samples: int) -> bytes:
    if image is None:
        return b""
    if samples != 1:
        raise UserError("--samples is of new samples, and --image one image: leave one of them out.")
    try:
        return image.read_bytes()
    except OSError as error:
        raise UserError(f"--image {image} cannot be read ({error.strerror}). Give an image file.") from error


def _picture(
    catalog: DirectionCatalog,
    strengths: dict[str, float],
    seed: int,
    samples: int,
    image: Path | None,
    data: bytes,
    model: str | None,
    condition: Path | None,
) -> np.ndarray:
    """What the directions do, (H, W, 3) uint8."""
    from pipeline.recipes.applied import Applier  # with the networks' libraries, which take seconds

    applier = Applier.of(catalog, model, str(condition) if condition else None)
    if image is None:
        made = applier.to_samples(strengths, seed, samples)
    else:
        made = applier.to_image(strengths, Encoded(image.name, str(image), data).fitted(*applier.size), seed)
    return _beside(made.unedited, made.edited)


def _beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two columns of pictures, each (B, H, W, 3), with white between them."""
    n, height, width, _ = left.shape
    sheet = np.full((n * (height + BETWEEN) - BETWEEN, 2 * width + BETWEEN, 3), 255, np.uint8)
    for i, pair in enumerate(zip(left, right, strict=True)):
        for column, picture in enumerate(pair):
            top, start = i * (height + BETWEEN), column * (width + BETWEEN)
            sheet[top : top + height, start : start + width] = picture
    return sheet


def _write(out: Path, picture: np.ndarray) -> None:
    """Write a PNG, whole or not at all."""
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_bytes(png(picture))
        os.replace(beside, out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UserError(
            f"--out {out} cannot be written ({error.strerror}). Name a file in a folder that is there."
        ) from error


if __name__ == "__main__":
    typer.run(apply)
