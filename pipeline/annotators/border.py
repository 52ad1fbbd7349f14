"""The border to plugs: what they return is checked at every call, and told in words where it is not what was asked for.

What they have loaded evaluates and does not train, without gradients, and an image's numbers are its own: see guards.py. A process
has it once: see in_use.py.

Numbers of any kind become float32: lists, torch tensors, float64, integers and booleans. What could mean two things is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from pipeline.annotators.base import Annotator, Embedder, Labels, Lookup, Scorer, check_images
from pipeline.annotators.guards import check_evaluates, own
from pipeline.annotators.names import spec_of
from pipeline.annotators.regions import Mask, Masker
from pipeline.errors import UserError
from pipeline.in_use import in_use

Returns = Callable[[np.ndarray], Any]


def scorer(annotator: Annotator) -> Scorer:
    """Load an annotator: images (B, H, W, 3) uint8 -> (B, attributes) float32, NaN where there is nothing to measure."""
    score, who = in_use(("scores", annotator), annotator.load), spec_of(annotator)
    check_evaluates(score, who)
    return own(scores_of(score, annotator.attributes, who), who)


def lookup(labels: Labels) -> Lookup:
    """Load labels: sample_id (B,) and names (B,) -> (B, attributes) float32, NaN where an image has none."""
    find, who = labels.lookup(), spec_of(labels)
    columns = len(labels.attributes)

    def checked(ids: Sequence[int], names: Sequence[str | None]) -> np.ndarray:
        found = _numbers(find(ids, names), who)
        if found.shape != (len(ids), columns):
            raise UserError(
                f"{who} returned the shape {found.shape} for {len(ids)} images; expected ({len(ids)}, {columns})."
            )
        return found

    return checked


def masker(mask: Mask) -> Masker:
    """Load a mask: images (B, H, W, 3) uint8 -> (B, H, W) float32 in 0..1, all NaN where an image has no such region."""
    return masks_of(in_use(("masks", mask), mask.load), spec_of(mask))


def embedding(embedder: Embedder) -> Callable[[np.ndarray], np.ndarray]:
    """Load an embedder: images (B, H, W, 3) uint8 -> (B, F) float32."""
    embed, who = in_use(("features", embedder), embedder.embedder), spec_of(embedder)
    check_evaluates(embed, who)

    def checked(images: np.ndarray) -> np.ndarray:
        found = _called(embed, images, who)
        if found.ndim != 2 or len(found) != len(images) or not found.shape[1] or np.isnan(found).any():
            what = f"the shape {found.shape}" if not np.isnan(found).any() else "NaN"
            raise UserError(
                f"{who} returned {what} as features of {len(images)} images; expected ({len(images)}, F) numbers, a row an image."
            )
        return found

    return own(checked, who, "features")


def scores_of(score: Returns, attributes: tuple[str, ...], who: str) -> Scorer:
    """The same function, of which every call is checked. Raises UserError, which names `who`, for other than scores."""
    columns = len(attributes)

    def checked(images: np.ndarray) -> np.ndarray:
        check_images(images)
        rows = len(images)
        if not rows:
            return np.empty((0, columns), np.float32)
        found = _called(score, images, who)
        found = found[:, None] if found.shape == (rows,) and columns == 1 else found
        if found.shape != (rows, columns):
            turned = found.shape == (columns, rows)
            raise UserError(
                f"{who} returned the shape {found.shape} for {rows} images; expected ({rows}, {columns}): a row an image, and "
                f"a column for each of {', '.join(attributes)}."
                + ("\nIt has a row an attribute: stack along axis=1." if turned else "")
            )
        return found

    return checked


def masks_of(find: Returns, who: str) -> Masker:
    """The same function, of which every call is checked. Raises UserError, which names `who`, for other than masks."""

    def checked(images: np.ndarray) -> np.ndarray:
        check_images(images)
        if not len(images):
            return np.empty(images.shape[:3], np.float32)
        found = _called(find, images, who)
        if found.shape != images.shape[:3]:
            raise UserError(
                f"{who} returned masks of the shape {found.shape}; expected {images.shape[:3]}: a mask an image, of its size."
            )
        missing = np.isnan(found)
        if (missing.any(axis=(1, 2)) & ~missing.all(axis=(1, 2))).any():
            raise UserError(
                f"{who} returned a mask that is NaN in part of an image; expected all of it, where an image has no such region."
            )
        if ((found < 0) | (found > 1)).any():
            low, high = np.nanmin(found), np.nanmax(found)
            raise UserError(f"{who} returned masks from {low:g} to {high:g}; expected 0 outside to 1 inside.")
        return found

    return checked


def _called(function: Returns, images: np.ndarray, who: str) -> np.ndarray:
    """What a plug returns for images, which it may write into, as float32."""
    return _numbers(function(images.copy()), who)


def _numbers(found: Any, who: str) -> np.ndarray:
    """What a plug returned as float32."""
    if hasattr(found, "detach"):  # a torch tensor, wherever it lies
        found = found.detach().cpu()
        found = (found.float() if found.is_floating_point() else found).numpy()
    try:
        array = np.asarray(found)
    except (ValueError, TypeError) as error:  # rows of several lengths
        _refuse(who, f"what is no array of numbers ({error})")
    if found is None or array.dtype.kind not in "biuf":
        _refuse(who, "nothing" if found is None else f"{type(found).__name__} of {array.dtype}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if np.isinf(array).any():
        _refuse(who, "infinity, or numbers beyond float32,")
    return array


def _refuse(who: str, what: str) -> NoReturn:
    raise UserError(
        f"{who} returned {what}; expected an array of finite numbers, NaN where there is nothing to measure."
    )
