"""What an edit leaves alone, each image beside its unedited counterpart, and whether it still looks like the model's own.

Shapes: n images (n, H, W, 3) uint8, masks (n, H, W), 0 to 1, NaN where an image has no such region, F features.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as multiscale

WINDOW = 11  # pixels, of SSIM
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # their weights, finest first (Wang et al. 2003)


def identity(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Cosine of the features (n, F) of each image and its edit: (n,)."""
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return (before * after).sum(axis=1) / np.maximum(norms, np.finfo(np.float32).tiny)


def ms_ssim(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """MS-SSIM (Wang, Simoncelli, Bovik 2003) of each image and its edit: (n,), 1 where they are equal.

    As many of the five scales as the images have room for, their weights brought to 1. NaN for images of less than 11 pixels.
    """
    side = min(before.shape[1:3])
    scales = sum(side // max(2**i, i**2) >= WINDOW for i in range(len(SCALES)))  # i**2: as torchmetrics asks
    if not scales:
        return np.full(len(before), np.nan)
    betas = tuple(np.array(SCALES[:scales]) / sum(SCALES[:scales]))
    x, y = (torch.from_numpy(images).permute(0, 3, 1, 2).float() for images in (after, before))
    similar = multiscale(x, y, kernel_size=WINDOW, betas=betas, data_range=255.0, reduction="none", normalize="relu")
    return similar.numpy()


def clipped(images: np.ndarray) -> np.ndarray:
    """Share of the values that are 0 or 255: (n,)."""
    return ((images == 0) | (images == 255)).reshape(len(images), -1).mean(axis=1)


def change_outside(before: np.ndarray, after: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Root mean squared change per pixel and channel outside the masks, in levels of 0..255: (n,). NaN without an outside."""
    change = np.square(after.astype(np.float64) - before).mean(axis=-1)
    return np.sqrt(_mean_outside(change[..., None], masks)[:, 0])


def background_shift(before: np.ndarray, after: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Distance of the mean colours outside the masks, before and after, in levels of 0..255: (n,). NaN without an outside."""
    return np.linalg.norm(_mean_outside(after, masks) - _mean_outside(before, masks), axis=1)


def _mean_outside(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """(n, H, W, channels) -> (n, channels)."""
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
    """Where images of a kind lie among all features: within balls around them (Kynkäänniemi et al. 2019, Sec. 3).

    A ball reaches from its image to the k-th nearest other one.
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
        return cls(reference, np.partition(distances, k, axis=1)[:, k])

    def contains(self, features: np.ndarray) -> np.ndarray:
        """Whether each of these features (n, F) lies in one of the balls: (n,)."""
        within = squared_distances(features.astype(np.float64), self.reference) <= self.radii
        return np.asarray(within.any(axis=1))


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) between the rows of a (n, F) and b (m, F)."""
    return np.maximum(0, (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1))
