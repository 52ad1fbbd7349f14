"""Regions in image files, as people and other programs write them: `mask:FILE`, or the path alone.

A file is read by the first of these rules that fits it, and refused where none does:

`+label=3`, `+labels=1,2`      a label map, which has one number a pixel: inside is where that is one of these
an alpha channel that varies   it is the region, whatever the colours are
two values, 0 and 1 or 255     0 is outside, the other inside; also in 16 bits, and 0 and 65535
grey that reaches white        white is inside, black outside, grey between

Classes without a `label` that says which, colours, and a file that would be nowhere or everywhere are refused.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.annotators.names import fit
from pipeline.annotators.regions import Masker
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import check_unchanged, sha256_of

NEARLY_GREY = 8  # of 255, by which colours may differ: so much a JPEG of a grey image does
DARKEST = (
    0.25  # of white, that a border between black and white has beside darker greys; classes and a void of 255 have none
)
CLASSES = 12  # that are listed


@dataclass(frozen=True)
class MaskFile:
    """The same region in every image, from an image file, at the size of the images. `mask_file` makes one."""

    content: str  # SHA-256 of the file
    labels: tuple[int, ...] = ()  # of a label map, those that are inside
    name: str = "mask"
    path: str = not_hashed("")

    def check(self, height: int, width: int) -> None:
        if not self._read(height, width).any():
            raise UserError(f"{self.path} is black at {width} x {height} pixels: white marks the region.")

    def load(self) -> Masker:
        def find(images: np.ndarray) -> np.ndarray:
            mask = self._read(*images.shape[1:3])
            return np.repeat(mask[None], len(images), axis=0)

        return find

    def _read(self, height: int, width: int) -> np.ndarray:
        """Return the mask (height, width) float32; a pixel has the mean of those of the file that it stands for."""
        check_unchanged([Path(self.path)], self.content)
        inside = Image.fromarray(read(Path(self.path), self.labels))
        resized = inside.resize((width, height), Image.Resampling.BOX)
        return np.asarray(resized, np.float32).clip(0, 1)


def mask_file(
    path: str | Path, label: int | None = None, labels: str | None = None, name: str | None = None
) -> MaskFile:
    """The region in an image file. label, or labels by commas: the classes of a label map that are inside.

    Raises UserError for a file that is no image, or is none of what this module's rules are of.
    """
    chosen = _chosen(label, labels)
    file = Path(path).expanduser().absolute()
    read(file, chosen)
    own = name or "-".join([fit(file.stem, "mask"), *map(str, chosen)])
    return MaskFile(sha256_of([file]), chosen, own, str(file))


def read(path: Path, labels: tuple[int, ...] = ()) -> np.ndarray:
    """Return what an image file marks, (H, W) float32: 1 inside, 0 outside. Raises UserError for what could mean two things."""
    image = _opened(path)
    found = _of_labels(image, labels, path) if labels else _of_alpha(image, path)
    if found is None:
        found = _of_grey(*_grey(image, path), path)
    if (found == 1).all():
        raise UserError(f"{path} marks the whole image. Leave it out, or mark a part of it in white.")
    return found.astype(np.float32)


def _opened(path: Path) -> Image.Image:
    if not path.is_file():
        raise UserError(f"There is no file {path} to read a mask from.")
    try:
        image = Image.open(path)
        frames = getattr(image, "n_frames", 1)
        upright = ImageOps.exif_transpose(image)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is no image that can be read as a mask ({error}).") from error
    if frames > 1:
        raise UserError(f"{path} holds {frames} images; expected one, which is the mask.")
    return upright


def _chosen(label: int | None, labels: str | None) -> tuple[int, ...]:
    try:
        several = () if labels is None else tuple(int(each) for each in labels.split(","))
    except ValueError:
        raise UserError(
            f"The labels {labels!r} are no whole numbers; expected some, by commas, as in +labels=1,2."
        ) from None
    return tuple(sorted({*several, *(() if label is None else (label,))}))


# The rules


def _of_labels(image: Image.Image, labels: tuple[int, ...], path: Path) -> np.ndarray:
    classes = np.asarray(image) if image.mode == "P" else _grey(image, path)[0]
    if absent := sorted(set(labels) - set(np.unique(classes).tolist())):
        raise UserError(f"{path} has no label {', '.join(map(str, absent))}; it has {_listed(classes)}.")
    return np.isin(classes, labels)


def _of_alpha(image: Image.Image, path: Path) -> np.ndarray | None:
    """The alpha channel, where there is one that varies."""
    if not image.has_transparency_data:
        return None
    pixels = np.asarray(image.convert("RGBA"))
    alpha, colours = pixels[..., 3], pixels[..., :3]
    if not alpha.any():
        raise UserError(f"{path} is transparent everywhere: where it is opaque would be the region.")
    if alpha.min() == alpha.max():
        return None
    seen = colours[alpha > 0]
    if {0, 255} == set(np.unique(seen).tolist()) and (np.ptp(seen, axis=1) == 0).all():
        raise UserError(
            f"{path} is black and white, and has an alpha channel that varies, too: either could be the region.\n"
            "Save it without the one that is not."
        )
    return alpha / np.float32(255)


def _grey(image: Image.Image, path: Path) -> tuple[np.ndarray, float]:
    """One number a pixel (H, W), and the largest that there can be. Raises UserError for colours."""
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L")), 255
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.int64), 65535
    if image.mode == "F":
        return np.asarray(image), 1
    of_palette = image.mode == "P"
    colours = np.asarray(image.convert("RGB"), np.int16)
    if np.ptp(colours, axis=2).max() > NEARLY_GREY or (of_palette and not _black_and_white(colours)):
        raise (
            _classes(np.asarray(image), path)
            if of_palette
            else UserError(
                f"{path} has colours, and which of them are inside is not said. Save the region in white on black, as an alpha\n"
                "channel, or as a label map of one number a pixel, with +label=NUMBER."
            )
        )
    return colours.mean(axis=2).round().astype(np.uint8), 255


def _black_and_white(colours: np.ndarray) -> bool:
    return bool(colours.min() == 0 and colours.max() == 255)


def _of_grey(values: np.ndarray, largest: float, path: Path) -> np.ndarray:
    """Black, white and grey between, or two values; anything else is taken for classes, and refused."""
    if not np.isfinite(values).all() or values.min() < 0:
        raise UserError(f"{path} has values below 0, or none; expected 0 outside to {largest:g} inside.")
    found = np.unique(values)
    if not values.any():
        raise UserError(f"{path} is black: white marks the region.")
    whole = np.issubdtype(values.dtype, np.integer)
    if whole and found[-1] in (1, 255, 65535) and set(found.tolist()) <= {0, int(found[-1])}:
        return values > 0
    between = found[(found > 0) & (found < largest)] / largest
    if found[-1] > largest or (whole and (found[-1] < largest or (len(between) and between.max() < DARKEST))):
        raise _classes(values, path)
    return values / np.float32(largest)


def _classes(values: np.ndarray, path: Path) -> UserError:
    return UserError(
        f"{path} is no mask of black and white but holds {_listed(values)}, as a label map does.\n"
        f"Say which of them are inside, as in mask:{path.name}+label={np.unique(values)[-1]}."
    )


def _listed(values: np.ndarray) -> str:
    """The values of a label map with the shares of the image that they are of."""
    found, counts = np.unique(values, return_counts=True)
    shown = ", ".join(f"{value} ({n / values.size:.1%})" for value, n in zip(found[:CLASSES], counts, strict=False))
    return f"{shown} and {len(found) - CLASSES} more" if len(found) > CLASSES else shown
