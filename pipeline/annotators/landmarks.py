"""Regions of a face, by the landmarks of a detector: eyes, nose, mouth, head."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.annotators.mtcnn import Mtcnn
from pipeline.annotators.regions import Masker
from pipeline.errors import UserError

_Ellipse = tuple[np.ndarray, float, float]  # centre (x, y), half the width along the eyes, half the height


def _eyes(points: np.ndarray, d: float) -> list[_Ellipse]:
    return [(points[0], 0.48 * d, 0.34 * d), (points[1], 0.48 * d, 0.34 * d)]


def _nose(points: np.ndarray, d: float) -> list[_Ellipse]:
    return [(points[2] - 0.12 * (points[2] - (points[0] + points[1]) / 2), 0.34 * d, 0.36 * d)]


def _mouth(points: np.ndarray, d: float) -> list[_Ellipse]:
    return [((points[3] + points[4]) / 2, 0.5 * float(np.linalg.norm(points[4] - points[3])) + 0.18 * d, 0.34 * d)]


def _head(points: np.ndarray, d: float) -> list[_Ellipse]:
    eyes, mouth = (points[0] + points[1]) / 2, (points[3] + points[4]) / 2
    return [((eyes + mouth) / 2 - 0.2 * (mouth - eyes), 1.75 * d, 2.0 * float(np.linalg.norm(mouth - eyes)))]


REGIONS = {"eyes": _eyes, "nose": _nose, "mouth": _mouth, "head": _head}


@dataclass(frozen=True)
class Landmarks:
    """Eyes, nose, mouth or head of the largest face: ellipses around MTCNN's landmarks, turned with the face and as large."""

    region: str  # of REGIONS
    softness: float = 0.0  # width of the border in inter-ocular distances; 0 is binary
    detector: Mtcnn = field(default_factory=Mtcnn)

    @property
    def name(self) -> str:
        return self.region

    def check(self, height: int, width: int) -> None:
        if self.region not in REGIONS:
            raise UserError(f"{self.region!r} is no region of a face; expected one of {', '.join(REGIONS)}.")
        if self.softness < 0:
            raise UserError(f"A border {self.softness} wide: expected 0, or more.")

    def load(self) -> Masker:
        locate = self.detector.locator()

        def find(images: np.ndarray) -> np.ndarray:
            masks = np.full(images.shape[:3], np.nan, np.float32)
            for mask, points in zip(masks, locate(images), strict=True):
                if not np.isnan(points).any():
                    mask[:] = self.around(points, *mask.shape)
            return masks

        return find

    def around(self, points: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the region (height, width) of one face, by its landmarks (5, 2).

        These are the eyes, the nose and the corners of the mouth, x and y in pixels.
        """
        along = points[1] - points[0]
        d = float(np.linalg.norm(along))
        along = along / d
        y, x = np.mgrid[:height, :width].astype(np.float64)
        mask = np.zeros((height, width), np.float32)
        for (cx, cy), a, b in REGIONS[self.region](points, d):
            u = (x - cx) * along[0] + (y - cy) * along[1]
            w = (y - cy) * along[0] - (x - cx) * along[1]
            inside = (1 - np.hypot(u / a, w / b)) * min(a, b)  # about the distance to the border, in pixels
            soft = inside / (self.softness * d) + 0.5 if self.softness else (inside >= 0).astype(np.float64)
            mask = np.maximum(mask, np.clip(soft, 0, 1).astype(np.float32))
        return mask
