"""Who labels digits, and who judges them: `pipeline.domains.digits.annotators:annotator` and `...:judge`.

Four attributes are measured by plain functions, ten are the log odds of a classifier; each of the two has its own functions
and its own classifier.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators.base import Scorer, resize, to_tensor
from pipeline.annotators.familiarity import Reference, read_reference
from pipeline.domains.digits import judge_measures, measures
from pipeline.domains.digits.classifiers import CLASSES, Network, load_network, scores
from pipeline.domains.digits.data import SIZE, to_float
from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256_of
from pipeline.models.bundled import BUNDLED, weights_of

FOLDER = Path(__file__).parent
Measures = tuple[Callable[[np.ndarray], np.ndarray], ...]


@dataclass(frozen=True)
class DigitAnnotator:
    """Scores a white digit on black; this one labels the samples that directions are fitted on.

    - slant: degrees, > 0 leans to the right
    - stroke_width: pixels of an image of 32 x 32
    - ink: mean grey level, 0 to 1
    - loops: holes that the strokes enclose, a mean over levels of grey
    - zero ... nine: log odds that it is this digit; > 0 means that it is
    - digit: the probability that it is any
    """

    name: ClassVar[str] = "digits"
    describes: ClassVar[str] = "Slant, stroke width, ink and loops, and which digit it is: of white digits on black."
    version: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = ("slant", "stroke_width", "ink", "loops", *CLASSES, "digit")
    thresholds: ClassVar[tuple[float, ...]] = (0.0, math.nan, math.nan, 0.5, *[0.0] * len(CLASSES), 0.5)
    presence: ClassVar[str] = "digit"
    folder: ClassVar[str] = "annotator"
    measured: ClassVar[Measures] = (measures.slant, measures.stroke_width, measures.ink, measures.loops)

    weights: str = field(init=False)  # sha256 of the classifier's file

    def __post_init__(self) -> None:
        if not self._file.exists():
            raise UserError(
                f"The annotator {self.name!r} has no weights: expected {self._file}. "
                "Check it out again, or remake it with `python -m jobs.train_digits --only classifiers`."
            )
        object.__setattr__(self, "weights", sha256_of([self._file]))

    def check(self, height: int, width: int) -> None:
        """Raise UserError for images that are not square."""
        if height != width:
            raise UserError(
                f"Digits are square images; these are {height} x {width}. Crop them, or pad them with black."
            )

    def knows(self, weights: str) -> bool:
        """Whether a model of these weights (SHA-256) may show digits: the other bundled ones do not."""
        return weights not in [weights_of(name) for name in BUNDLED if name != "digits"]

    def load(self) -> Scorer:
        classify = self._on_images(lambda images, network: scores(network(images)))

        def score(images: np.ndarray) -> np.ndarray:
            pixels = at_size(images)
            return np.column_stack([*(of(pixels) for of in self.measured), classify(pixels)]).astype(np.float32)

        return score

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images to what the classifier reads its logits from."""
        features = self._on_images(lambda images, network: network.features(images))
        return lambda images: features(at_size(images))

    def reference(self) -> Reference | None:
        """Features of digits that its classifier was trained on."""
        return read_reference(self._file.parent)

    @property
    def _file(self) -> Path:
        return FOLDER / self.folder / "model.safetensors"

    def _on_images(self, apply: Callable[[Tensor, Network], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        check_unchanged([self._file], self.weights)
        network = load_network(self._file.parent)

        @torch.inference_mode()
        def on_images(images: np.ndarray) -> np.ndarray:
            grey = torch.from_numpy(images).float().mean(dim=-1)[:, None]
            return apply(to_float(grey), network).numpy()

        return on_images


def at_size(images: np.ndarray) -> np.ndarray:
    """Return images (B, H, W, 3) uint8 as (B, SIZE, SIZE, 3) uint8. Raises ValueError for what is no square image."""
    pixels = to_tensor(images)
    if pixels.shape[-2] != pixels.shape[-1]:
        raise ValueError(f"Digits must be square images, found {images.shape[1:3]}. Crop them, or pad them with black.")
    return resize(pixels, SIZE, SIZE).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


@dataclass(frozen=True)
class DigitJudge(DigitAnnotator):
    """The second opinion: the same attributes by other functions, and a classifier of another kind, trained on other digits."""

    name: ClassVar[str] = "digits-judge"
    describes: ClassVar[str] = "The same of white digits on black, measured in other ways, by another classifier."
    folder: ClassVar[str] = "judge"
    measured: ClassVar[Measures] = (
        judge_measures.slant,
        judge_measures.stroke_width,
        judge_measures.ink,
        judge_measures.loops,
    )


def annotator() -> DigitAnnotator:
    """Return who labels."""
    return DigitAnnotator()


def judge() -> DigitJudge:
    """Return who judges."""
    return DigitJudge()
