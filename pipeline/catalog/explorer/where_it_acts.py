"""Where in the image a direction acts, to be seen: how far each pixel of the small images changes, over what they show."""

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

from pipeline.catalog.explorer.strips import Strip
from pipeline.catalog.templates import png_uri

COLOUR = (213, 94, 0)  # orange, of Okabe and Ito


def where_it_acts(shown: Strip, place: int) -> str | None:
    """Return a PNG in a data URI: the mean of the unedited images in grey, and over it in orange how far pixels change.

    place: of the strength. Full colour is the pixel that changes most. None where there are no two images of one size.
    """
    if 0.0 not in shown.strengths:
        return None
    unedited = shown.strengths.index(0.0)
    pairs = [(_pixels(row[unedited]), _pixels(row[place])) for row in shown.rows if row[unedited] and row[place]]
    pairs = [(before, after) for before, after in pairs if before.shape == after.shape == pairs[0][0].shape]
    if not pairs or place == unedited:
        return None
    change = np.mean([np.abs(after - before).mean(axis=2) for before, after in pairs], axis=0)
    grey = np.mean([before.mean(axis=2) for before, _ in pairs], axis=0)[..., None]
    share = (change / max(float(change.max()), 1e-6))[..., None]
    mixed = (1 - share) * (0.6 * grey + 100) + share * np.array(COLOUR)
    buffer = io.BytesIO()
    Image.fromarray(mixed.clip(0, 255).astype(np.uint8)).save(buffer, "png")
    return png_uri(buffer.getvalue())


def _pixels(jpeg: bytes | None) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg or b"")).convert("RGB"), dtype=np.float32)


def largest(ratios: Iterable[tuple[str, float]]) -> tuple[str, float] | None:
    """The region that most of the change lies in, by area, with how many times as much as outside; None where none is known."""
    return max(
        ((region, ratio) for region, ratio in ratios if np.isfinite(ratio)), key=lambda each: each[1], default=None
    )
