"""Face probability and pose from the five landmarks of facenet-pytorch's pretrained MTCNN (Zhang et al. 2016)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import facenet_pytorch
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from pipeline.annotators.base import Scorer, resize, to_tensor
from pipeline.formats.hashes import check_unchanged, sha256_of

WEIGHTS = [Path(facenet_pytorch.__file__).parent / "data" / f"{net}.pt" for net in ("pnet", "rnet", "onet")]


@dataclass(frozen=True)
class Mtcnn:
    """Looks for the largest face. Trained on photographs; it needs no training on the images at hand.

    Written with the image's axes, x to the right and y down: L and R are the eyes on the left and right of the *image*,
    N the tip of the nose, A and B the corners of the mouth; E = (L + R) / 2, M = (A + B) / 2, d = |R - L| the
    inter-ocular distance, u = (R - L) / d along the eyes and w = u turned by 90 degrees, down the face.

    - face: probability 0 .. 1, and 0 where none is found (that is a measurement; all else is then NaN)
    - yaw: (N - E) . u / d, in inter-ocular distances; 0 is frontal, > 0 turned to the right of the image
    - pitch: (N - E) . w / (M - E) . w, no unit; 0 the nose at the eyes, 1 at the mouth: it grows as the face looks down
    - roll: the angle of u, in degrees; > 0 is clockwise in the image
    - mouth_width: |B - A| / d, in inter-ocular distances; a smile widens it

    yaw, pitch and mouth_width are the same however the image is rolled or scaled.
    """

    name: ClassVar[str] = "mtcnn"
    attributes: ClassVar[tuple[str, ...]] = ("face", "yaw", "pitch", "roll", "mouth_width")
    thresholds: ClassVar[tuple[float, ...]] = (0.5, 0.0, math.nan, 0.0, math.nan)
    presence: ClassVar[str] = "face"
    describes: ClassVar[str] = (
        "Whether there is a face, and its pose, by landmarks: of photographs, and of what looks like them."
    )

    size: int = 160  # pixels: the shorter side is brought to this ...
    border: int = 40  # ... and this much added around it, or faces that fill their image are missed
    smallest_face: int = 50  # pixels, after resizing; below it nothing is looked for
    weights: str = field(init=False)  # sha256 of the three networks' files

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", sha256_of(WEIGHTS))

    def locator(self) -> Callable[[np.ndarray], np.ndarray]:
        """The function from images (B, H, W, 3) uint8 to landmarks (B, 5, 2), in pixels of the image; NaN where there is no face.

        They are the eyes on the left and right of the image, the tip of the nose, and the corners of the mouth; x and y.
        """
        detector = self._detector()

        def locate(images: np.ndarray) -> np.ndarray:
            scale = self._scale(*images.shape[1:3])
            found = [detector.detect(image, landmarks=True) for image in self.frame(to_tensor(images))]
            points = [np.full((5, 2), np.nan) if boxes is None else points[0] for boxes, _, points in found]
            return (np.array(points, np.float64) - self.border + 0.5) / scale - 0.5  # centres of pixels lie at integers

        return locate

    def load(self) -> Scorer:
        detector = self._detector()

        def score(images: np.ndarray) -> np.ndarray:
            # One at a time: in a batch, boxes of different images share the arithmetic of one suppression step.
            rows = [measure(detector, image) for image in self.frame(to_tensor(images))]
            return np.array(rows, np.float32).reshape(-1, len(self.attributes))

        return score

    def _detector(self) -> facenet_pytorch.MTCNN:
        check_unchanged(WEIGHTS, self.weights)
        detector = facenet_pytorch.MTCNN(min_face_size=self.smallest_face, select_largest=True, device="cpu").eval()
        for module in detector.modules():
            if isinstance(module, torch.nn.MaxPool2d):
                module.forward = partial(_maxima, module.forward)  # type: ignore[method-assign]
        return detector

    def _scale(self, height: int, width: int) -> float:
        """How many times larger an image is looked at."""
        return self.size / min(height, width)

    def frame(self, images: Tensor) -> Tensor:
        """Return images (B, 3, H, W) in 0..255 as MTCNN reads them: (B, h, w, 3), resized, with the edge repeated around them."""
        height, width = images.shape[-2:]
        scale = self._scale(height, width)
        images = resize(images, round(height * scale), round(width * scale))
        return pad(images, [self.border] * 4, mode="replicate").permute(0, 2, 3, 1)


def _maxima(pool: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The same maxima, of numbers in the order in which CPUs take them several times faster."""
    if not x.is_contiguous():
        return pool(x)
    return pool(x.contiguous(memory_format=torch.channels_last)).contiguous()


def measure(detector: facenet_pytorch.MTCNN, image: Tensor) -> tuple[float, ...]:
    """The attributes of one image (h, w, 3)."""
    boxes, probabilities, points = detector.detect(image, landmarks=True)
    if boxes is None:
        return (0.0, *[float("nan")] * 4)
    return (float(probabilities[0]), *pose(np.asarray(points[0], np.float64)))


def pose(points: np.ndarray) -> tuple[float, ...]:
    """yaw, pitch, roll, mouth_width of the landmarks L, R, N, A, B: (5, 2), x and y in pixels."""
    left, right, nose, corner_a, corner_b = points
    eyes, mouth = (left + right) / 2, (corner_a + corner_b) / 2
    distance = np.linalg.norm(right - left)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (right - left) / distance
        w = np.array([-u[1], u[0]])
        measured = (
            (nose - eyes) @ u / distance,
            (nose - eyes) @ w / ((mouth - eyes) @ w),
            np.degrees(np.arctan2(u[1], u[0])),
            np.linalg.norm(corner_b - corner_a) / distance,
        )
    return tuple(float(value) if np.isfinite(value) else float("nan") for value in measured)
