"""The bundled attribute networks, trained on the bundled model's domain: drawn portraits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators.base import Scorer, resize, to_tensor
from pipeline.annotators.familiarity import Reference, read_reference
from pipeline.domains.portraits.attributes import ATTRIBUTES, THRESHOLDS, Network, load_network
from pipeline.domains.portraits.data import SIZE, to_float
from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256_of
from pipeline.models.bundled import weights_of

PORTRAITS = Path(__file__).parent


@dataclass(frozen=True)
class PortraitAnnotator:
    """Scores a drawn portrait; this one labels the samples that directions are fitted on.

    glasses, gender: logits, > 0 means present, or drawn as female. smile -1 .. 1, age 0 .. 1, yaw -1 (to the left of
    the image) .. 1, eyes_open 0 .. 1, skin 0 (light) .. 1 (dark): the factors of `portraits.render`, in their units.
    """

    folder: ClassVar[str] = "annotator"
    name: ClassVar[str] = "portraits"
    attributes: ClassVar[tuple[str, ...]] = ATTRIBUTES
    thresholds: ClassVar[tuple[float, ...]] = THRESHOLDS
    describes: ClassVar[str] = "Attributes of the bundled drawn portraits. It has seen nothing else."

    weights: str = field(init=False)  # sha256 of the network's file

    def __post_init__(self) -> None:
        file = PORTRAITS / self.folder / "model.safetensors"
        if not file.exists():
            raise UserError(
                f"The annotator {self.name!r} has no weights: expected {file}. "
                "Check it out again, or remake it with `python -m jobs.train_portraits --only attributes`."
            )
        object.__setattr__(self, "weights", sha256_of([file]))

    def check(self, height: int, width: int) -> None:
        """Raise UserError for images that are not square."""
        _check_square(height, width)

    def knows(self, weights: str) -> bool:
        """Whether these are the weights (SHA-256) of a bundled model of portraits: it has seen no other images."""
        return weights in map(weights_of, ("portraits", "portraits-open-skips"))

    def load(self) -> Scorer:
        return _on_images(self._network())

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images to what the scores are read from: features of the last layer but one."""
        return _on_images(self._network().features)

    def reference(self) -> Reference | None:
        """Features of drawings that it was trained on."""
        return read_reference(PORTRAITS / self.folder)

    def _network(self) -> Network:
        check_unchanged([PORTRAITS / self.folder / "model.safetensors"], self.weights)
        return load_network(PORTRAITS / self.folder)


def _on_images(network: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
    @torch.inference_mode()
    def apply(images: np.ndarray) -> np.ndarray:
        pixels = to_tensor(images)
        _check_square(*images.shape[1:3])
        return network(to_float(resize(pixels, SIZE, SIZE))).numpy()

    return apply


def _check_square(height: int, width: int) -> None:
    if height != width:
        raise UserError(
            f"Drawn portraits are square images, found {height} x {width} pixels (height x width).\n"
            "Crop them, or name another annotator: these networks know no other shape."
        )


@dataclass(frozen=True)
class PortraitJudge(PortraitAnnotator):
    """The second opinion: another architecture, trained on other drawings from another seed.

    It measures what an edit did. It never labels the samples that directions are fitted on, or the measurement would
    repeat the annotator's accidents instead of finding them.
    """

    folder: ClassVar[str] = "judge"
    name: ClassVar[str] = "portraits-judge"
    describes: ClassVar[str] = (
        "The same attributes of the bundled drawn portraits, by another network. It has seen nothing else."
    )
