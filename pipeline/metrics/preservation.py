"""What an edit leaves alone, each image beside its unedited counterpart, and whether it still looks like the model's own.

A measure is a function of `Pairs` that gives a number an image, under the name of its column in schemas.preservation.

Shapes: n images (n, H, W, 3) uint8, masks (n, H, W), 0 to 1, NaN where an image has no such region, F features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

WINDOW = 11  # pixels, of SSIM
FARTHEST = 0.95  # share of the images whose ball is as wide as it is; those of the others are no wider
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # their weights, finest first (Wang et al. 2003)


@dataclass(frozen=True)
class Pairs:
    """Edited images beside their unedited counterparts, and what else is known of them; None is not known."""

    before: np.ndarray
    after: np.ndarray
    foreground: np.ndarray | None = None  # masks of what an edit may change in the unedited images
    features: tuple[np.ndarray, np.ndarray] | None = None  # (n, F) before and after
    manifold: "Manifold | None" = None  # of unedited samples, in these features
    shown: np.ndarray | None = None  # (n,) probability that an edited image shows what the model is of


Measure = TypeVar("Measure", bound=Callable[[Pairs], np.ndarray | None])
MEASURES: dict[str, Callable[[Pairs], np.ndarray | None]] = {}  # by the names of their columns


def measure(function: Measure) -> Measure:
    """List a function among the measures."""
    MEASURES[function.__name__] = function
    return function


@measure
def identity(pairs: Pairs) -> np.ndarray | None:
    """Return the cosine of the features of each image and its edit: (n,)."""
    if pairs.features is None:
        return None
    before, after = pairs.features
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return (before * after).sum(axis=1) / np.maximum(norms, np.finfo(np.float32).tiny)


@measure
def ms_ssim(pairs: Pairs) -> np.ndarray:
    """Return MS-SSIM of each image and its edit: (n,), 1 where they are equal. NaN for images of less than 11 pixels.

    Wang, Simoncelli, Bovik 2003, but for two things, by which it compares at one size of images alone. There are as many of the
    five scales as the images have room for (`scales_of`), their weights brought to 1. And it is torchmetrics': at the coarsest of
    them windows reach over the border into the mirrored image, where theirs stay inside. At 48 pixels, of which 12 are left there,
    that makes a few hundredths.
    """
    scales = scales_of(*pairs.before.shape[1:3])
    if not scales:
        return np.full(len(pairs.before), np.nan)
    from torchmetrics.functional import image as torchmetrics  # takes seconds

    betas = tuple(np.array(SCALES[:scales]) / sum(SCALES[:scales]))
    x, y = (torch.from_numpy(images).permute(0, 3, 1, 2).float() for images in (pairs.after, pairs.before))
    similar = torchmetrics.multiscale_structural_similarity_index_measure(
        x, y, kernel_size=WINDOW, betas=betas, data_range=255.0, reduction="none", normalize="relu"
    )
    return similar.numpy()


def scales_of(height: int, width: int) -> int:
    """Return how many of the five scales of MS-SSIM images of this size have room for: 3 at 48 pixels, all from 176 on."""
    side = min(height, width)
    return sum(side // max(2**i, i**2) >= WINDOW for i in range(len(SCALES)))  # i**2: as torchmetrics asks


@measure
def change_outside(pairs: Pairs) -> np.ndarray | None:
    """Return the root mean squared change per pixel and channel outside the foreground, in levels of 0 to 255: (n,).

    NaN without an outside.
    """
    if pairs.foreground is None:
        return None
    change = np.square(pairs.after.astype(np.float64) - pairs.before).mean(axis=-1)
    return np.sqrt(_mean_outside(change[..., None], pairs.foreground)[:, 0])


@measure
def background_shift(pairs: Pairs) -> np.ndarray | None:
    """Return the distance of the mean colours outside the foreground, before and after, in levels of 0 to 255: (n,).

    NaN without an outside.
    """
    if pairs.foreground is None:
        return None
    before, after = (_mean_outside(images, pairs.foreground) for images in (pairs.before, pairs.after))
    return np.linalg.norm(after - before, axis=1)


@measure
def clipped(pairs: Pairs) -> np.ndarray:
    """Return the share of the values of each edited image that are 0 or 255: (n,)."""
    at_an_end = (pairs.after == 0) | (pairs.after == 255)
    return at_an_end.reshape(len(pairs.after), -1).mean(axis=1)


@measure
def precision(pairs: Pairs) -> np.ndarray | None:
    """Return 1 for each edited image whose features lie on the manifold of unedited samples, else 0: (n,).

    The mean is the precision of Kynkäänniemi et al. 2019, Sec. 3.
    """
    if pairs.features is None or pairs.manifold is None:
        return None
    return pairs.manifold.contains(pairs.features[1]).astype(np.float32)


@measure
def presence(pairs: Pairs) -> np.ndarray | None:
    """Return the probability that each edited image shows what the model is of, as a judge says: (n,)."""
    return pairs.shown


def _mean_outside(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return means (n, channels) of values (n, H, W, channels) outside masks."""
    outside = 1.0 - masks.astype(np.float64)
    area = outside.sum(axis=(1, 2))[:, None]
    sums = np.einsum("nhwc,nhw->nc", values.astype(np.float64), outside)
    return np.divide(sums, area, out=np.full_like(sums, np.nan), where=area > 0)


def inside_and_outside(before: np.ndarray, after: np.ndarray, masks: np.ndarray) -> tuple[float, float]:
    """Mean squared change per pixel and channel, in levels of 0..255 squared: inside the regions, and outside.

    Images without the region are left out. The sums run over all images, so that the quotient of the two is per area. NaN where
    nothing is inside, or nothing outside.
    """
    there = ~np.isnan(masks).any(axis=(1, 2))
    change = np.square(after[there].astype(np.float64) - before[there]).mean(axis=-1)  # (n, H, W)
    inside, outside = masks[there].astype(np.float64), 1.0 - masks[there]
    with np.errstate(invalid="ignore"):
        return float((change * inside).sum() / inside.sum()), float((change * outside).sum() / outside.sum())


@dataclass(frozen=True)
class Manifold:
    """The manifold of images of a kind among all features: balls around them (Kynkäänniemi et al. 2019, Sec. 3).

    A ball reaches from its image to the k-th nearest other one, but no farther than those of 95 % of the images. Without that bound
    a few images far away from all others have balls that hold nearly everything: 4 in 304 are enough for two thirds of noise to lie
    on the manifold. Density (Naeem et al. 2020) counts such balls less but still counts them.
    """

    reference: np.ndarray  # (m, F)
    radii: np.ndarray  # (m,) squared

    @classmethod
    def of(cls, reference: np.ndarray, k: int = 3) -> "Manifold":
        """The manifold of these features (m, F). Of fewer than k + 1 images it is everything."""
        reference = reference.astype(np.float64)
        if len(reference) <= k:
            return cls(reference, np.full(len(reference), np.inf))
        distances = squared_distances(reference, reference)
        np.fill_diagonal(distances, 0)
        radii = np.partition(distances, k, axis=1)[:, k]
        return cls(reference, np.minimum(radii, np.quantile(radii, FARTHEST)))

    def contains(self, features: np.ndarray) -> np.ndarray:
        """Whether each of these features (n, F) lies in one of the balls: (n,)."""
        within = squared_distances(features.astype(np.float64), self.reference) <= self.radii
        return np.asarray(within.any(axis=1))

    def precision_of_another(self) -> float:
        """The share of the reference that lies in the ball of another one: the precision that further such samples have."""
        distances = squared_distances(self.reference, self.reference)
        np.fill_diagonal(distances, np.inf)
        return float((distances <= self.radii).any(axis=1).mean())


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances (n, m) between the rows of a (n, F) and b (m, F)."""
    return np.maximum(0, (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1))
