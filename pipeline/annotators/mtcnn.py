"""Faces and their pose by facenet-pytorch's pretrained MTCNN (Zhang et al. 2016): probability, box and five landmarks."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import facenet_pytorch
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from pipeline.annotators.base import Scorer, resize, to_tensor
from pipeline.annotators.names import check_name
from pipeline.errors import UserError
from pipeline.fingerprint import hashed_where_set, not_hashed
from pipeline.formats.hashes import check_unchanged, sha256_of

WEIGHTS = [Path(facenet_pytorch.__file__).parent / "data" / f"{net}.pt" for net in ("pnet", "rnet", "onet")]
POSE = ("yaw", "pitch", "roll", "mouth_width")
BOX = ("box_left", "box_top", "box_right", "box_bottom")
LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


class Look(NamedTuple):
    """How an image is looked at: so many times larger, with a border, and for faces of so many pixels and more."""

    height: int
    width: int
    scale: float
    border: int
    smallest: float

    @property
    def limit(self) -> float:
        """The smallest face that is looked for, in pixels of the image itself."""
        return self.smallest / self.scale

    @property
    def sees(self) -> bool:
        """Whether such a face has room."""
        return min(self.height, self.width) + 2 * self.border >= self.smallest

    def of(self, images: Tensor) -> Tensor:
        """Return images (B, 3, H, W) in 0..255 as MTCNN reads them: (B, h, w, 3), with the edge repeated around them."""
        images = resize(images, self.height, self.width)
        return pad(images, [self.border] * 4, mode="replicate").permute(0, 2, 3, 1)

    def in_image(self, places: np.ndarray) -> np.ndarray:
        """Return places of what was looked at in pixels of the image, whose centres lie at integers."""
        return (places - self.border + 0.5) / self.scale - 0.5


class Face(NamedTuple):
    """The face of an image that was chosen, and the look in whose pixels it is told."""

    probability: float
    box: np.ndarray  # (4,): left, top, right, bottom
    points: np.ndarray  # (5, 2): the landmarks, x and y
    among: int  # how many were found
    look: Look

    @property
    def large(self) -> bool:
        """Whether it is as large as what was looked for: then no larger one has been missed."""
        return bool((self.box[2:] - self.box[:2]).max() >= self.look.smallest)


@dataclass(frozen=True)
class Mtcnn:
    """Looks for one face. Trained on photographs; it needs no training on the images at hand.

    Written with the image's axes, x to the right and y down: L and R are the eyes on the left and right of the *image*,
    N the tip of the nose, A and B the corners of the mouth; E = (L + R) / 2, M = (A + B) / 2, d = |R - L| the
    inter-ocular distance, u = (R - L) / d along the eyes and w = u turned by 90 degrees, down the face.

    - face: probability 0 .. 1; 0 where none is found (that is a measurement; all else is then NaN)
    - yaw: (N - E) . u / d, in inter-ocular distances; 0 is frontal, > 0 turned to the right of the image
    - pitch: (N - E) . w / (M - E) . w, no unit; 0 the nose at the eyes, 1 at the mouth: it grows as the face looks down
    - roll: the angle of u, in degrees; > 0 is clockwise in the image
    - mouth_width: |B - A| / d, in inter-ocular distances; a smile widens it
    - faces, if asked for: how many there are
    - box_left, box_top, box_right, box_bottom, if asked for: where the face is, in pixels of the image
    - left_eye_x, left_eye_y ... right_mouth_y, if asked for: the landmarks L, R, N, A, B, in pixels of the image

    yaw, pitch and mouth_width are the same however the image is rolled or scaled.

    An image is first looked at with its shorter side brought to `size`, for faces of `large_face` of these pixels, which is fast.
    Where there is none, and where smaller ones count, it is looked at at its own size, for faces of `smallest_face` pixels.
    `face` is 0 where none was found in all of this. It is NaN, unknown, where the image is so large that it was shrunk to
    `longest` and the smallest faces were not looked for, or so small that no face of `smallest_face` pixels has room.
    Where images of any size are brought to one to be looked at, as photographs are by the hundred thousand, pixels are those that
    are seen, in box and landmarks, too. A face of 100 pixels in a photograph that is shrunk to a sixth has 16 of them, and is not
    looked for: there, no face found is NaN, too, unless `smallest_stored` says that only larger ones are wanted anyway.
    """

    presence: ClassVar[str] = "face"
    describes: ClassVar[str] = (
        "Whether there is a face, and its pose, by landmarks: of photographs, and of what looks like them."
    )

    which: Literal["largest", "central", "probable"] = "largest"  # of several faces
    faces: bool = False  # whether they are counted
    box: bool = False
    landmarks: bool = False
    size: int = 160  # pixels: at first the shorter side is brought to this ...
    border: int = 40  # ... and this much added around it, or faces that fill their image are missed
    large_face: int = 50  # pixels, after resizing: what is looked for at first
    smallest_face: int = 20  # pixels of the image: what is looked for in the end
    longest: int = 1024  # pixels: to this the longer side is shrunk at most
    smallest_stored: int | None = hashed_where_set()  # pixels of the image as stored; else `smallest_face`
    name: str = "mtcnn"  # another, for settings that are used beside these
    gpu: bool = not_hashed(False)  # whether it has a GPU, where there is one
    weights: str = field(init=False)  # sha256 of the three networks' files

    def __post_init__(self) -> None:
        for name in ("size", "large_face", "smallest_face", "longest"):
            if getattr(self, name) < 1:
                raise UserError(f"A `{name}` of {getattr(self, name)}: expected a number of pixels, 1 or more.")
        if self.smallest_stored is not None and self.smallest_stored < self.smallest_face:
            raise UserError(
                f"A `smallest_stored` of {self.smallest_stored}: expected no less than the `smallest_face`, {self.smallest_face}."
            )
        check_name(self.name, "annotator", "mtcnn")
        if self.border < 0:
            raise UserError(f"A `border` of {self.border}: expected a number of pixels, 0 or more.")
        object.__setattr__(self, "weights", sha256_of(WEIGHTS))

    @property
    def attributes(self) -> tuple[str, ...]:
        places = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
        return ("face", *POSE, *("faces",) * self.faces, *BOX * self.box, *places * self.landmarks)

    @property
    def thresholds(self) -> tuple[float, ...]:
        known = {"face": 0.5, "yaw": 0.0, "roll": 0.0, "faces": 1.0}
        return tuple(known.get(name, math.nan) for name in self.attributes)

    @property
    def gpus(self) -> int:
        return int(self.gpu)

    def locator(self) -> Callable[[np.ndarray], np.ndarray]:
        """The function from images (B, H, W, 3) uint8 to landmarks (B, 5, 2), in pixels of the image; NaN where there is no face.

        They are the eyes on the left and right of the image, the tip of the nose, and the corners of the mouth; x and y.
        """
        detector = self._detector()

        def locate(images: np.ndarray) -> np.ndarray:
            found = self._found(detector, to_tensor(images))
            nowhere = np.full((5, 2), np.nan)
            return np.array([face.look.in_image(face.points) if face else nowhere for face in found])

        return locate

    def load(self) -> Scorer:
        detector = self._detector()

        def score(images: np.ndarray) -> np.ndarray:
            pixels = to_tensor(images)
            none = self._none(*pixels.shape[-2:])
            rows = [self._scores(face, none) for face in self._found(detector, pixels)]
            return np.array(rows, np.float32).reshape(-1, len(self.attributes))

        return score

    def missed(self, scores: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Which scores (B, A) say that there is no face where faces that are wanted may have been too small to be seen.

        scales: pixels of the image as it is stored for one that was seen, (B,).
        """
        small = self.smallest_face * scales > (self.smallest_stored or self.smallest_face)
        tells = np.isin(self.attributes, ("face", "faces"))
        return (scores == 0) & small[:, None] & tells

    def looks(self, height: int, width: int) -> tuple[Look, ...]:
        """How images of a size are looked at: the next where the one before finds no face; the last is for all faces."""
        shrunk = self.longest / max(height, width)
        first = self._look(height, width, min(self.size / min(height, width), shrunk), self.large_face)
        last = self._look(height, width, min(1.0, shrunk), self.smallest_face)
        if first.limit <= last.limit:
            return (first,)
        return (first, last) if self.which == "largest" and not self.faces else (last,)

    def _look(self, height: int, width: int, scale: float, smallest: float) -> Look:
        h, w = max(1, round(height * scale)), max(1, round(width * scale))
        return Look(h, w, scale, round(self.border * min(h, w) / self.size), smallest)

    def _none(self, height: int, width: int) -> float:
        """The score of no face found: 0, or NaN where faces that would count were not looked for."""
        everything = self.looks(height, width)[-1].limit <= self.smallest_face <= min(height, width)
        return 0.0 if everything else math.nan

    def _detector(self) -> facenet_pytorch.MTCNN:
        check_unchanged(WEIGHTS, self.weights)
        device = "cuda" if self.gpu and torch.cuda.is_available() else "cpu"
        detector = facenet_pytorch.MTCNN(select_largest=True, device=device).eval()
        for module in detector.modules():
            if isinstance(module, torch.nn.MaxPool2d):
                module.forward = partial(_maxima, module.forward)  # type: ignore[method-assign]
        return detector

    def _found(self, detector: facenet_pytorch.MTCNN, images: Tensor) -> list[Face | None]:
        """The face of each image (B, 3, H, W) in 0..255.

        One image at a time: in a batch, boxes of different images share the arithmetic of one suppression step.
        """
        found: list[Face | None] = [None] * len(images)
        for look in filter(lambda look: look.sees, self.looks(*images.shape[-2:])):
            detector.min_face_size = look.smallest
            for i in [i for i, face in enumerate(found) if not (face and face.large)]:
                seen = detector.detect(look.of(images[i : i + 1])[0], landmarks=True)
                found[i] = self._chosen(look, *seen) or found[i]
        return found

    def _chosen(self, look: Look, boxes: np.ndarray | None, probable: np.ndarray, points: np.ndarray) -> Face | None:
        """One of the faces that were found, the largest first."""
        if boxes is None:
            return None
        boxes, probable = boxes.astype(np.float64), probable.astype(np.float64)
        middle = np.array([look.width - 1, look.height - 1]) / 2 + look.border
        by = {"central": np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - middle, axis=1), "probable": -probable}
        i = int(np.argmin(by[self.which])) if self.which in by else 0
        return Face(float(probable[i]), boxes[i], np.asarray(points[i], np.float64), len(boxes), look)

    def _scores(self, face: Face | None, none: float) -> list[float]:
        """The scores of an image, in the order of `attributes`."""
        if face is None:
            counted = dict.fromkeys(("face", "faces"), none)
            return [counted.get(name, math.nan) for name in self.attributes]
        more = (
            *(float(face.among),) * self.faces,
            *tuple(face.look.in_image(face.box)) * self.box,
            *tuple(face.look.in_image(face.points).ravel()) * self.landmarks,
        )
        return [face.probability, *pose(face.points), *more]


def _maxima(pool: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The same maxima, of numbers in the order in which CPUs take them several times faster."""
    if not x.is_contiguous() or x.is_cuda:
        return pool(x)
    return pool(x.contiguous(memory_format=torch.channels_last)).contiguous()


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
